"""What [RU26] claims, each tested on the runs at hand: holds, holds partly, does not hold.

A claim that needs runs which are not there is left open. Verdicts follow from counts by one rule:
a claim holds where at least 90 % of the cases agree with it, partly from 50 % on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns, settled_epoch
from deepnrc.report.panels import median
from deepnrc.report.text import number

__all__ = ["CLAIMS", "Claim", "Verdict", "judge"]

_HOLDS, _PARTLY = 0.9, 0.5
_OWN = ("swimmer", "hopper", "reacher", "sgemm-decay", "synthetic-decay", "synthetic-wide")


@dataclass(frozen=True)
class Verdict:
    """A claim as the runs judge it.

    Attributes:
        claim: In words.
        runs: How many it was tested on.
        verdict: ``"holds"``, ``"holds partly"``, ``"does not hold"``, or ``"open"``.
        evidence: The counts and numbers.
    """

    claim: str
    runs: int
    verdict: str
    evidence: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: In words.
        groups: That it is tested on, of those at hand.
        test: The runs by group → cases that agree, cases, and the evidence.
    """

    text: str
    groups: tuple[str, ...]
    test: Callable[[Mapping[str, GroupRuns]], tuple[int, int, str]]


def judge(groups: Mapping[str, GroupRuns]) -> list[Verdict]:
    """Every claim on the runs at hand."""
    verdicts = []
    for claim in CLAIMS:
        here = {n: groups[n] for n in claim.groups if n in groups and len(groups[n])}
        count = sum(len(runs) for runs in here.values())
        if not here:
            missing = ", ".join(claim.groups)
            verdicts.append(Verdict(claim.text, 0, "open", f"no runs of {missing}"))
            continue
        agreeing, cases, evidence = claim.test(here)
        verdicts.append(Verdict(claim.text, count, _verdict(agreeing, cases), evidence))
    return verdicts


def _verdict(agreeing: int, cases: int) -> str:
    if not cases:
        return "open"
    share = agreeing / cases
    if share >= _HOLDS:
        return "holds"
    return "holds partly" if share >= _PARTLY else "does not hold"


def _paper_setting(groups: Mapping[str, GroupRuns]) -> dict[str, GroupRuns]:
    """Of swept groups the runs under the paper's own, largest weight decay."""
    return {
        name: runs.where(weight_decay=max(runs.values("weight_decay")))
        if name.endswith("decay")
        else runs
        for name, runs in groups.items()
    }


def _counted(parts: Sequence[tuple[str, int, int]]) -> str:
    return "; ".join(f"{name} {agreeing} of {cases}" for name, agreeing, cases in parts)


def _total(parts: Sequence[tuple[str, int, int]]) -> tuple[int, int]:
    return sum(agreeing for _, agreeing, _ in parts), sum(cases for _, _, cases in parts)


def _below_the_last(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    parts = []
    for name, runs in _paper_setting(groups).items():
        found = [len(run.diagnosis.collapsed_layers) > 1 for run in runs]
        parts.append((name, sum(found), len(found)))
    return *_total(parts), "runs with two collapsed layers or more: " + _counted(parts)


def _together(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    """Of the layers from the first collapsed one on by NRC1, how many meet the other three."""
    parts = []
    for name, runs in _paper_setting(groups).items():
        agreeing = cases = 0
        for run in runs:
            first = dict(run.diagnosis.first_collapsed_by_rule)["nrc1"]
            if first is None:
                continue
            start = run.measurement.names.index(first)
            after = run.diagnosis.verdicts[start:]
            agreeing += sum(verdict.satisfied for verdict in after)
            cases += len(after)
        parts.append((name, agreeing, cases))
    return *_total(parts), (
        "layers from the first collapsed one by NRC1 on that meet all four conditions: "
        + _counted(parts)
    )


def _intrinsic_rank(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    parts, numbers = [], []
    for name, runs in _paper_setting(groups).items():
        agreeing = cases = 0
        for run in runs:
            found = run.diagnosis.intrinsic
            if found.value is None or found.target_value is None:
                continue
            cases += 1
            agreeing += found.value == found.target_value
            numbers.append(
                f"{found.value}/{found.target_value} of t = {run.measurement.target_dim}"
            )
        parts.append((name, agreeing, cases))
    shown = ", ".join(sorted(set(numbers)))
    return *_total(parts), (
        "collapsed runs whose features' intrinsic dimension is the targets' (99 % of the energy): "
        f"{_counted(parts)}; pairs seen (features/targets): {shown or 'none'}"
    )


def _true_rank(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    agreeing = cases = 0
    for run in groups["true-rank"]:
        options = run.member.config.data.options
        if options["noise"] == 0:
            cases += 1
            agreeing += run.diagnosis.intrinsic.by_layer[-1][1] == options["rank"]
    return (
        agreeing,
        cases,
        f"noiseless runs whose last layer shows the true rank: {agreeing} of {cases}",
    )


def _alignment_needs_decay(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    """NRC3 of the middle to last layers without decay below that with the largest, seed by seed."""
    parts, evidence = [], []
    for name, runs in groups.items():
        decays = sorted(runs.values("weight_decay"))
        none, most = runs.where(weight_decay=decays[0]), runs.where(weight_decay=decays[-1])
        pairs = [(a, b) for a in none for b in most if a.seed == b.seed]
        parts.append((name, sum(_alignment(a) < _alignment(b) for a, b in pairs), len(pairs)))
        evidence.append(
            f"{name}: NRC3 over the upper half {number(median([_alignment(a) for a, _ in pairs]))} "
            f"without decay, {number(median([_alignment(b) for _, b in pairs]))} with "
            f"{decays[-1]:g}"
        )
    return *_total(parts), f"seeds in which it is so: {_counted(parts)}. {'; '.join(evidence)}"


def _noise_without_decay(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    parts, evidence = [], []
    for name, runs in groups.items():
        each = list(runs.where(weight_decay=min(runs.values("weight_decay"))))
        noise = [run.measurement[-1].noise_component for run in each]
        parts.append((name, sum(value <= 0.1 for value in noise), len(noise)))
        evidence.append(f"{name}: {number(median(noise))}")
    return *_total(parts), (
        f"runs without weight decay whose last layer has NRC1 ≤ 0.1: {_counted(parts)}; median "
        + "; ".join(evidence)
    )


def _too_much(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    runs = groups["depth-decay-width"]
    decays = sorted(runs.values("weight_decay"))
    worst = decays[-1]
    r2 = {d: [run.measurement.model_r2 for run in runs.where(weight_decay=d)] for d in decays}
    best = max(median(values) for values in r2.values())
    underfit = [value < best - 0.1 for value in r2[worst]]
    shown = "; ".join(f"decay {d:g} {number(median(values))}" for d, values in r2.items())
    return (
        sum(underfit),
        len(underfit),
        (
            f"runs under decay {worst:g} whose R² is more than .1 below the best decay's median: "
            f"{sum(underfit)} of {len(underfit)}; median R² by decay: {shown}"
        ),
    )


def _after_the_losses(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    parts, evidence = [], []
    for name, runs in _paper_setting(groups).items():
        pairs = [
            (float(collapse), float(settled_epoch(run.log)))
            for run in runs
            for collapse in (_collapse_epoch(run),)
            if collapse is not None
        ]
        parts.append((name, sum(c >= s for c, s in pairs), len(pairs)))
        if pairs:
            evidence.append(
                f"{name}: collapse at epoch {median([c for c, _ in pairs]):g}, losses settled at "
                f"{median([s for _, s in pairs]):g} (medians)"
            )
    return *_total(parts), (
        f"runs whose NRC1 collapse comes at or after 90 % of the loss's way: {_counted(parts)}. "
        + "; ".join(evidence)
    )


def _bound(groups: Mapping[str, GroupRuns]) -> tuple[int, int, str]:
    parts = []
    for name, runs in _paper_setting(groups).items():
        checks = [c for run in runs for c in run.diagnosis.bounds if c.holds is not None]
        parts.append((name, sum(c.holds is True for c in checks), len(checks)))
    return *_total(parts), f"layers and seeds at which the bound held: {_counted(parts)}"


def _alignment(run: FinishedRun) -> float:
    layers = run.measurement.layers
    return median([layer.feature_weight_alignment for layer in layers[len(layers) // 2 :]])


def _collapse_epoch(run: FinishedRun) -> int | None:
    return run.first_collapsed_epoch("nrc1")


CLAIMS = (
    Claim("Collapse occurs below the last layer.", _OWN, _below_the_last),
    Claim("After the first collapsed layer the four conditions hold together.", _OWN, _together),
    Claim(
        "Features of collapsed layers have the targets' intrinsic rank, not t.",
        ("sgemm-rank1", "synthetic-decay", "hopper", "swimmer", "reacher"),
        _intrinsic_rank,
    ),
    Claim("Low-rank targets show their true rank.", ("true-rank",), _true_rank),
    Claim("NRC3 needs weight decay.", ("sgemm-decay", "synthetic-decay"), _alignment_needs_decay),
    Claim(
        "NRC1 may appear without weight decay.",
        ("sgemm-decay", "synthetic-decay"),
        _noise_without_decay,
    ),
    Claim(
        "Too much weight decay collapses everything and underfits.",
        ("depth-decay-width",),
        _too_much,
    ),
    Claim("Collapse comes after the losses settle.", _OWN, _after_the_losses),
    Claim("Proposition 1: NRC1 and NRC2 bound the linear prediction error.", _OWN, _bound),
)
