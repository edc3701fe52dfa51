"""Time measuring against a plain inference pass, and print a table."""

import argparse
import os
import sys

import torch

from benchmarks.cases import Case, cases, floor, live_units, mlp_batches
from benchmarks.dense import dense_twin
from benchmarks.machine import header
from benchmarks.memory import peak_mebibytes
from benchmarks.profile import print_profile
from benchmarks.timing import Ratio, interleaved, plain
from deepnrc import measure
from deepnrc.passes.collect import collect

_DENSE_SAMPLES = 2_000
_COLUMNS = "{:26s} {:>8s} {:>3s} {:>8s} {:>18s} {:>18s} {:>18s} {:>6s} {:>5s} {:>4s}"

# By default glibc returns freed memory to the system at times that vary from run to run; the page
# faults that follow cost up to 40 %. These settings keep freed memory, for both sides.
_KEEP = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}


def main() -> None:
    if not _KEEP.items() <= os.environ.items():
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks", *sys.argv[1:]],
            {**os.environ, **_KEEP},
        )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small N: about a minute")
    parser.add_argument("--full", action="store_true", help="N = 200,000 at width 1024 as well")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    parser.add_argument(
        "--profile", metavar="CASE", help="print where the time of these cases goes"
    )
    options = parser.parse_args()
    size = "quick" if options.quick else "full" if options.full else "normal"
    rounds = options.rounds or (2 if options.quick else 3)
    print(header("benchmarks"), flush=True)
    if options.profile:
        torch.set_num_threads(options.threads[0])
        for case in cases(size=size, only=options.profile):
            print_profile(case)
        return
    print("both sides keep freed memory (glibc's thresholds are raised)")
    print(
        _COLUMNS.format(
            *("case", "N", "thr", "plain s", "measure/plain", "pass/plain", "dense/plain"),
            *("floor", "goal", "met"),
        )
    )
    alive = []
    for case in cases(size=size, only=options.only):
        for threads in options.threads:
            torch.set_num_threads(threads)
            print(_line(case, threads, rounds), flush=True)
        live = live_units(case.model, next(iter(case.loader))[0])
        alive.append(f"  {case.name:26s} " + " ".join(map(str, live.values())))
    print("\nlive units in the input of each linear layer", *alive, sep="\n")
    print("\npeak memory, 8 x 256, batch 1024, fresh processes (MiB)")
    few = 10_240 if options.quick else 51_200
    print(f"  plain   N = {few:7,}: {peak_mebibytes(few, baseline=True):.0f}")
    for samples in (few, 4 * few):
        print(f"  measure N = {samples:7,}: {peak_mebibytes(samples):.0f}")


def _line(case: Case, threads: int, rounds: int) -> str:
    def base() -> None:
        plain(case.model, case.loader)

    others = {
        "measure": lambda: measure(case.model, case.loader, progress=False),
        "pass": lambda: collect(case.model, case.loader, progress=False),
    }
    taken, ratios = interleaved(base, others, rounds=rounds)
    least = floor(case.model, next(iter(case.loader))[0])
    met = "yes" if ratios["measure"].median <= case.goal else "no"
    return _COLUMNS.format(
        *(case.name, f"{case.samples}", str(threads), f"{taken:.3f}"),
        *(str(ratios["measure"]), str(ratios["pass"]), _dense(case) if case.dense else "-"),
        *(f"{least:.2f}", f"{case.goal:.1f}", met),
    )


def _dense(case: Case) -> str:
    """Ratio of the dense computation at an N whose kernels fit in memory; it grows with N²."""
    batches = mlp_batches(_DENSE_SAMPLES, 1000)
    _, ratios = interleaved(
        lambda: plain(case.model, batches),
        {"dense": lambda: dense_twin(case.model, batches)},
        rounds=1,
    )
    ratio: Ratio = ratios["dense"]
    return f"{ratio.median:.0f} at N={_DENSE_SAMPLES}"


if __name__ == "__main__":
    main()
