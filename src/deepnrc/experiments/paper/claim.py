"""Claims of the paper and how they are judged: holds, holds partly, does not hold, open.

Cases are runs, or pairs of runs of one seed; the layers of a run are not independent. A claim
without runs to test it on is open.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deepnrc.experiments.paper.runs import GroupRuns

__all__ = [
    "ALL",
    "MLPS",
    "Claim",
    "Groups",
    "Outcome",
    "Verdict",
    "judge",
    "main_setting",
    "verdict",
]

Groups = Mapping[str, GroupRuns]

_HOLDS, _PARTLY = 0.9, 0.5
MLPS = ("swimmer", "hopper", "reacher", "sgemm-decay", "synthetic-decay", "synthetic-wide")
ALL = (*MLPS, "carla-decay", "utkface")


@dataclass(frozen=True)
class Outcome:
    """The cases of a claim.

    Attributes:
        parts: By data set, how many cases agree, and of how many.
        counted: What the counts are of, in words.
        also: Further numbers, in words.
        universal: Whether one case that disagrees refutes the claim.
    """

    parts: Sequence[tuple[str, int, int]]
    counted: str
    also: str = ""
    universal: bool = False

    @property
    def agreeing(self) -> int:
        """The number of cases that agree."""
        return sum(agreeing for _, agreeing, _ in self.parts)

    @property
    def cases(self) -> int:
        """The number of cases."""
        return sum(cases for _, _, cases in self.parts)

    def describe(self) -> str:
        """Counts and further numbers in words."""
        counts = [f"{name} {agreeing} of {cases}" for name, agreeing, cases in self.parts if cases]
        text = f"{self.counted}: {'; '.join(counts) or 'none'}"
        return f"{text}; {self.also}" if self.also else text


@dataclass(frozen=True)
class Verdict:
    """A claim as the runs judge it.

    Attributes:
        claim: In words.
        cases: How many cases it was tested on.
        verdict: ``"holds"``, ``"holds partly"``, ``"does not hold"``, or ``"open"``.
        evidence: Counts and numbers, in words.
    """

    claim: str
    cases: int
    verdict: str
    evidence: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: The claim in one sentence.
        groups: The names of the groups of runs that it is tested on, as many as are at hand.
        test: Counts the cases, given the runs by group: those of ``groups`` that have any.
        order: The place on the page, lowest first.
    """

    text: str
    groups: tuple[str, ...]
    test: Callable[[Groups], Outcome]
    order: int = 1000


def judge(claims: Sequence[Claim], groups: Groups) -> list[Verdict]:
    """Each claim on the runs at hand; open where there are none, or where its test fails."""
    verdicts = []
    for claim in claims:
        here = {name: groups[name] for name in claim.groups if len(groups.get(name, ()))}
        if not here:
            missing = ", ".join(claim.groups)
            verdicts.append(Verdict(claim.text, 0, "open", f"no runs of {missing}"))
            continue
        try:
            outcome = claim.test(here)
        except Exception as error:  # so that the page is still written
            evidence = f"its test failed ({type(error).__name__}: {error})"
            verdicts.append(Verdict(claim.text, 0, "open", evidence))
            continue
        verdicts.append(Verdict(claim.text, outcome.cases, verdict(outcome), outcome.describe()))
    return verdicts


def verdict(outcome: Outcome) -> str:
    """The verdict by shares of agreeing cases.

    A claim holds from 90 % on and partly from 50 % on; a universal claim only at 100 %.
    """
    if not outcome.cases:
        return "open"
    share = outcome.agreeing / outcome.cases
    if share >= (1.0 if outcome.universal else _HOLDS):
        return "holds"
    if outcome.universal:
        return "does not hold"
    return "holds partly" if share >= _PARTLY else "does not hold"


def main_setting(groups: Groups) -> dict[str, GroupRuns]:
    """The runs to show of each group: where weight decay is swept, those with the largest.

    The names of groups on stand-in data say so.
    """
    shown = {}
    for name, runs in groups.items():
        decays = [value for value in runs.values("weight_decay") if value is not None]
        chosen = runs.where(weight_decay=max(decays)) if decays else runs
        shown[f"{name} ({runs.dataset})" if runs.stand_in else name] = chosen
    return shown
