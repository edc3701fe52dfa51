"""Run the campaign: ``cd tests && python -m faults [--write] [NAME …]``."""

import datetime
import os
import platform
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch

from faults.promises import PROMISES

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
START, END = "<!-- table -->\n", "<!-- end -->\n"
HEAD = "| promise | how tested | tries | outcomes | failures |\n| --- | --- | ---: | --- | ---: |\n"


def row(promise, tries):
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(tries.kinds.items()))
    return (
        f"| {promise.promise} | {promise.how} | {tries.count:,} | {kinds} | "
        f"{len(tries.failures)} |\n"
    )


def main(arguments):
    """Print the table; exit code 1 where a promise was broken."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    wanted = [name for name in arguments if name != "--write"] or list(PROMISES)
    rows, failures, start = "", [], time.monotonic()
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            tries = PROMISES[name].run(Path(folder))
        rows += row(PROMISES[name], tries)
        failures += [f"{name}: {failure}" for failure in tries.failures]
        print(row(PROMISES[name], tries), end="", flush=True)
    minutes = (time.monotonic() - start) / 60
    for failure in failures:
        print(failure.replace("\n", "\n  ")[:300])
    if "--write" in arguments:
        today = datetime.datetime.now(datetime.UTC).date()
        made = (
            f"\nMade by `cd tests && python -m faults --write` on {today} in {minutes:.0f} min: "
            f"Python {platform.python_version()}, torch {torch.__version__}, "
            f"{os.cpu_count()} cores, {platform.system()}.\n"
        )
        text = PAGE.read_text(encoding="utf-8")
        head, rest = text.split(START)
        PAGE.write_text(head + START + HEAD + rows + made + END + rest.split(END)[1], "utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
