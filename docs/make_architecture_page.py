"""Writes docs/architectures.md: ``python docs/make_architecture_page.py [FILE]``, in a checkout.

Runs every case of tests/architectures; a case that is not right stops it.
"""

import datetime
import importlib.util
import platform
import sys
import textwrap
import time
import warnings
from pathlib import Path

import torch

from deepnrc import __version__
from deepnrc.storage.atomic import write_atomically

PAGE = Path(__file__).parent / "architectures.md"
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from architectures.case import Case  # noqa: E402
from architectures.check import Outcome, check  # noqa: E402
from architectures.families import all_cases  # noqa: E402

_INTRODUCTION = (
    "# Architectures and situations",
    "Each line is a case in `tests/architectures`: a model, its data, the call, and what is right "
    "for every layer. What is right comes from a twin that shares no code with the package: the "
    "rows that enter a layer are computed by a forward pass by hand, or recorded while every "
    "sample runs alone, so that no axis can be taken for another's; NRC1–4 are then computed "
    "densely in float64 (`tests/reference/network.py`). Compared are the four conditions of "
    "every layer, the model's own error, the number of rows, which layers count and in what order, "
    "and the verdict. "
    "*Largest deviation* is the largest difference from the twin, relative to the value (or to a "
    "thousandth of the variance where the value is smaller). A case that is refused shows its "
    "message. `tests/test_architectures.py` runs all of them.",
)


def main(page: Path = PAGE) -> None:
    """Run every case and write the page."""
    started = time.perf_counter()
    cases = all_cases()
    outcomes = {name: outcome_of(case) for name, case in cases.items()}
    seconds = time.perf_counter() - started
    write_atomically(page, page_text(cases, outcomes, seconds).encode())
    print(f"Written: {page}")


def outcome_of(case: Case) -> Outcome | None:
    """What the case shows; None where it cannot be shown here yet.

    Raises:
        AssertionError: It is not right.
    """
    if case.needs is not None and importlib.util.find_spec(case.needs) is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return check(case)
        except Exception as error:
            if case.waits_for is not None:
                return None
            raise AssertionError(f"case {case.name!r} is not right: {error}") from error


def page_text(cases: dict[str, Case], outcomes: dict[str, Outcome | None], seconds: float) -> str:
    """The page."""
    shown = [x for x in outcomes.values() if x is not None]
    refused = sum(bool(x.message) for x in shown)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    values = sum(x.values for x in shown)
    summary = (
        f"{len(shown) - refused} cases are right ({values} values, the largest deviation "
        f"{max((x.deviation for x in shown), default=0.0):.0e}), {refused} are refused, "
        f"{len(outcomes) - len(shown)} are open. `python docs/make_architecture_page.py` wrote "
        f"this page in {seconds:.0f} s (deepnrc {__version__}, torch {torch.__version__}, "
        f"{platform.machine()}, {today})."
    )
    lines = ["\n\n".join(textwrap.fill(text, 120) for text in (*_INTRODUCTION, summary))]
    for family in dict.fromkeys(case.family for case in cases.values()):
        lines += ["", f"## {family}", ""]
        lines += ["| case | stands for | result | values | largest deviation |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        own = {name: case for name, case in cases.items() if case.family == family}
        lines += [row(case, outcomes[name]) for name, case in own.items()]
    return "\n".join(lines) + "\n"


def row(case: Case, outcome: Outcome | None) -> str:
    """A line of the table."""
    if outcome is None:
        cells = [f"open: {case.waits_for or f'needs {case.needs}'}", "", ""]
    elif outcome.message:
        cells = ["refused: " + " ".join(outcome.message.split()), "", ""]
    else:
        cells = [f"right, {outcome.verdict}", str(outcome.values), f"{outcome.deviation:.0e}"]
    return "| " + " | ".join(x.replace("|", "\\|") for x in (case.name, case.about, *cells)) + " |"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
