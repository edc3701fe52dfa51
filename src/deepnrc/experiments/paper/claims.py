"""What [RU26] claims, each tested on the runs at hand: holds, holds partly, does not hold.

Cases are runs, or pairs of runs of one seed; layers of a run are not independent. A claim that
needs runs which are not there is left open. Verdicts follow from counts by one rule: a claim holds
where at least 90 % of the cases agree with it, partly from 50 % on; a universal one only where all
do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns, settled_epoch
from deepnrc.report.panels import median
from deepnrc.support.text import number

__all__ = ["CLAIMS", "Claim", "Outcome", "Verdict", "judge", "verdict"]

_HOLDS, _PARTLY = 0.9, 0.5
_NOISE, _ALIGNMENT = 0.1, 0.8  # as `deepnrc.diagnose` has them
_MLPS = ("swimmer", "hopper", "reacher", "sgemm-decay", "synthetic-decay", "synthetic-wide")
_ALL = (*_MLPS, "carla-decay", "utkface")


@dataclass(frozen=True)
class Outcome:
    """The cases of a claim.

    Attributes:
        parts: By data set, how many cases agree, and of how many.
        evidence: What was counted, and numbers.
        universal: Whether one case against it refutes the claim.
    """

    parts: Sequence[tuple[str, int, int]]
    evidence: str
    universal: bool = False

    @property
    def agreeing(self) -> int:
        """Cases that agree."""
        return sum(agreeing for _, agreeing, _ in self.parts)

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(cases for _, _, cases in self.parts)

    def describe(self) -> str:
        """Counts and evidence in words."""
        counted = [f"{name} {agreeing} of {cases}" for name, agreeing, cases in self.parts if cases]
        return self.evidence.format(counts="; ".join(counted) or "none")


@dataclass(frozen=True)
class Verdict:
    """A claim as the runs judge it.

    Attributes:
        claim: In words.
        cases: How many it was tested on.
        verdict: ``"holds"``, ``"holds partly"``, ``"does not hold"``, or ``"open"``.
        evidence: The counts and numbers.
    """

    claim: str
    cases: int
    verdict: str
    evidence: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: In words.
        groups: That it is tested on, of those at hand.
        test: The runs by group → the cases.
    """

    text: str
    groups: tuple[str, ...]
    test: Callable[[Mapping[str, GroupRuns]], Outcome]


def judge(groups: Mapping[str, GroupRuns]) -> list[Verdict]:
    """Every claim on the runs at hand."""
    verdicts = []
    for claim in CLAIMS:
        here = {n: groups[n] for n in claim.groups if n in groups and len(groups[n])}
        if not here:
            missing = ", ".join(claim.groups)
            verdicts.append(Verdict(claim.text, 0, "open", f"no runs of {missing}"))
            continue
        outcome = claim.test(here)
        verdicts.append(Verdict(claim.text, outcome.cases, verdict(outcome), outcome.describe()))
    return verdicts


def verdict(outcome: Outcome) -> str:
    """By the stated rule."""
    if not outcome.cases:
        return "open"
    share = outcome.agreeing / outcome.cases
    if share >= (1.0 if outcome.universal else _HOLDS):
        return "holds"
    if outcome.universal:
        return "does not hold"
    return "holds partly" if share >= _PARTLY else "does not hold"


def _main_setting(groups: Mapping[str, GroupRuns]) -> dict[str, GroupRuns]:
    """Of swept groups the runs under the largest planned weight decay, stand-ins by their name."""
    return {
        f"{name} ({runs.dataset})" if runs.stand_in else name: runs.where(
            weight_decay=max(runs.values("weight_decay"))
        )
        if name.endswith("decay")
        else runs
        for name, runs in groups.items()
    }


def _below_the_last(groups: Mapping[str, GroupRuns]) -> Outcome:
    parts, by_noise = [], []
    for name, runs in _main_setting(groups).items():
        parts.append(
            (name, sum(len(run.diagnosis.collapsed_layers) > 1 for run in runs), len(runs))
        )
        by_noise.append(f"{name} {sum(_collapsed_by_noise(run) > 1 for run in runs)}")
    return Outcome(
        parts,
        "runs with two or more collapsed layers by all four conditions: {counts}; by NRC1 alone: "
        + "; ".join(by_noise),
    )


def _together(groups: Mapping[str, GroupRuns]) -> Outcome:
    parts, layers = [], []
    for name, runs in _main_setting(groups).items():
        firsts = [(run, dict(run.diagnosis.first_collapsed_by_rule)) for run in runs]
        collapsed = [(run, first) for run, first in firsts if first["nrc1"] is not None]
        parts.append((name, sum(f["nrc1"] == f["all"] for _, f in collapsed), len(collapsed)))
        after = [
            v.satisfied
            for run, first in collapsed
            for v in run.diagnosis.verdicts[run.measurement.names.index(str(first["nrc1"])) :]
        ]
        layers += [f"{name} {sum(after)} of {len(after)}"] if after else []
    return Outcome(
        parts,
        "runs whose first collapsed layer is the same by NRC1 and by all four conditions, of "
        "those that have one by NRC1: {counts}; layers from there on that meet all four: "
        + "; ".join(layers),
    )


def _intrinsic_rank(groups: Mapping[str, GroupRuns]) -> Outcome:
    parts, seen = [], []
    for name, runs in _main_setting(groups).items():
        agreeing = cases = 0
        for run in runs:
            found = run.diagnosis.intrinsic
            collapsed = set(run.diagnosis.collapsed_layers)
            target, t = found.target_value, run.measurement.target_dim
            if not collapsed or target is None or target >= t:
                continue  # where the targets have t dimensions the two cannot be told apart
            cases += 1
            ranks = [rank for layer, rank in found.by_layer if layer in collapsed]
            agreeing += all(rank == target for rank in ranks)
            seen.append(f"{'/'.join(map(str, sorted(set(ranks), key=str)))} for {target} of {t}")
        parts.append((name, agreeing, cases))
    shown = ", ".join(sorted(set(seen))) or "none"
    return Outcome(
        parts,
        "runs all of whose collapsed layers have the targets' intrinsic dimension (99 % of the "
        "energy), of those whose targets have fewer than t: {counts}; dimensions seen: " + shown,
    )


def _true_rank(groups: Mapping[str, GroupRuns]) -> Outcome:
    cases = agreeing = nominal = 0
    for run in groups["true-rank"]:
        options, found = run.member.config.data.options, run.diagnosis.intrinsic
        if options["noise"] != 0 or options["rank"] >= run.measurement.target_dim:
            continue
        cases += 1
        last = found.by_layer[-1][1]
        agreeing += last == found.target_value
        nominal += last == options["rank"]
    return Outcome(
        [("synthetic", agreeing, cases)],
        "noiseless runs with rank below t whose last layer holds 99 % of its energy in as many "
        f"directions as the targets do: {{counts}}; in as many as the teacher is wide: {nominal}",
    )


def _alignment_needs_decay(groups: Mapping[str, GroupRuns]) -> Outcome:
    parts, evidence = [], []
    for runs in groups.values():
        decays = sorted(runs.values("weight_decay"))
        if decays[0] != 0.0 or len(decays) == 1:
            continue
        none, most = runs.where(weight_decay=decays[0]), runs.where(weight_decay=decays[-1])
        pairs = [(_alignment(a), _alignment(b)) for a in none for b in most if a.seed == b.seed]
        agreeing = sum(without < _ALIGNMENT <= with_ for without, with_ in pairs)
        parts.append((runs.dataset, agreeing, len(pairs)))
        evidence.append(
            f"{runs.dataset} {number(median([a for a, _ in pairs]))} without decay, "
            f"{number(median([b for _, b in pairs]))} with {decays[-1]:g}"
        )
    return Outcome(
        parts,
        f"seeds whose NRC3, median of the upper half of the layers, is below {_ALIGNMENT} without "
        f"decay and not with the largest: {{counts}}; medians: {'; '.join(evidence)}",
    )


def _noise_without_decay(groups: Mapping[str, GroupRuns]) -> Outcome:
    parts, evidence = [], []
    for runs in groups.values():
        each = list(runs.where(weight_decay=0.0))
        noise = [run.measurement[-1].noise_component for run in each]
        parts.append((runs.dataset, sum(value <= _NOISE for value in noise), len(noise)))
        evidence.append(f"{runs.dataset} {number(median(noise))}")
    return Outcome(
        parts,
        f"runs without weight decay whose last layer has NRC1 ≤ {_NOISE}: {{counts}}; medians: "
        + "; ".join(evidence),
    )


def _too_much(groups: Mapping[str, GroupRuns]) -> Outcome:
    """Under the largest decay, run by run: all after the input collapsed, the error doubled."""
    runs = groups["depth-decay-width"]
    most = max(runs.values("weight_decay"))
    agreeing = collapsed = underfit = cases = 0
    for run in runs.where(weight_decay=most):
        same = [
            other.measurement.model_mse
            for other in runs
            if (other.seed, _apart_from_decay(other)) == (run.seed, _apart_from_decay(run))
        ]
        everything = all(not layer.noise_component > _NOISE for layer in run.measurement.layers[1:])
        doubled = run.measurement.model_mse >= 2 * min(same)
        cases, collapsed = cases + 1, collapsed + everything
        underfit, agreeing = underfit + doubled, agreeing + (everything and doubled)
    r2 = "; ".join(
        f"{d:g} {number(median([run.measurement.model_r2 for run in runs.where(weight_decay=d)]))}"
        for d in runs.values("weight_decay")
    )
    return Outcome(
        [("synthetic", agreeing, cases)],
        f"runs under decay {most:g} in which every layer after the first has NRC1 ≤ {_NOISE} or "
        "features of 0, and whose error is at least twice that of the best decay of the same "
        f"depth, width and seed: {{counts}}; the first alone {collapsed}, the second alone "
        f"{underfit}; median R² by decay: {r2}",
    )


def _apart_from_decay(run: FinishedRun) -> dict[str, Any]:
    settings = run.member.settings.items()
    return {key: value for key, value in settings if not key.endswith("weight_decay")}


def _after_the_losses(groups: Mapping[str, GroupRuns]) -> Outcome:
    """Collapse is known to lie between two measured epochs; where the losses settle there: open."""
    parts, evidence, left_out = [], [], 0
    for name, runs in _main_setting(groups).items():
        agreeing = cases = 0
        shown = []
        for run in runs:
            between, settled = run.collapse_interval("all"), settled_epoch(run.log)
            if between is None or settled is None or between[0] < settled <= between[1]:
                left_out += 1
                continue
            cases += 1
            agreeing += between[0] >= settled
            shown.append((between[1], settled))
        parts.append((name, agreeing, cases))
        if shown:
            evidence.append(
                f"{name} {median([float(c) for c, _ in shown]):g} against "
                f"{median([float(s) for _, s in shown]):g}"
            )
    return Outcome(
        parts,
        "runs that collapse, by all four conditions, after nine tenths of the loss's way: "
        f"{{counts}}; left out, as they never collapse or it cannot be told: {left_out}; median "
        f"epochs: {'; '.join(evidence) or 'none'}",
    )


def _bound(groups: Mapping[str, GroupRuns]) -> Outcome:
    parts, vacuous = [], 0
    for name, runs in _main_setting(groups).items():
        checks = [c for run in runs for c in run.diagnosis.bounds if c.holds is not None]
        useful = [c for c in checks if c.bound < 1.0]
        vacuous += len(checks) - len(useful)
        parts.append((name, sum(c.holds is True for c in useful), len(useful)))
    return Outcome(
        parts,
        "layers and seeds at which the bound is below 1 and held: {counts}; at "
        f"{vacuous} more it is above 1 and says nothing",
        universal=True,
    )


def _alignment(run: FinishedRun) -> float:
    layers = run.measurement.layers
    return median([layer.feature_weight_alignment for layer in layers[len(layers) // 2 :]])


def _collapsed_by_noise(run: FinishedRun) -> int:
    first = dict(run.diagnosis.first_collapsed_by_rule)["nrc1"]
    names = run.measurement.names
    return 0 if first is None else len(names) - names.index(first)


CLAIMS = (
    Claim("Collapse occurs below the last layer.", _ALL, _below_the_last),
    Claim("After the first collapsed layer the four conditions hold together.", _ALL, _together),
    Claim(
        "Features of collapsed layers have the targets' intrinsic rank, not t.",
        ("sgemm-decay", "synthetic-decay", "hopper", "swimmer", "reacher"),
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
    Claim("Collapse comes after the losses settle.", _ALL, _after_the_losses),
    Claim("Proposition 1: NRC1 and NRC2 bound the linear prediction error.", _MLPS, _bound),
)
