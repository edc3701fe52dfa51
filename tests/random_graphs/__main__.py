"""``python -m random_graphs SEED [LAST]``: print a graph and what is wrong; or a range of seeds."""

import sys

from random_graphs.check import check
from random_graphs.generate import generate

first, last = int(sys.argv[1]), int(sys.argv[-1])
for seed in range(first, last + 1):
    wrong = check(seed)
    if wrong or first == last:
        print(generate(seed) if first == last else f"seed {seed}")
        print(*(f"  wrong: {line}" for line in wrong), sep="\n")
