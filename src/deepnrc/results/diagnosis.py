"""Judge a measurement: which layers are collapsed, from where on, and to how many dimensions.

No tensors here: a diagnosis follows from the measurement's numbers and stated thresholds alone.
"""

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepnrc.errors import ArgumentError
from deepnrc.metrics.proposition import Proposition1
from deepnrc.results.tables import diagnosis_text
from deepnrc.support.text import number

if TYPE_CHECKING:
    from deepnrc.results.measurement import LayerMeasurement, Measurement

__all__ = [
    "BoundCheck",
    "Condition",
    "Diagnosis",
    "IntrinsicDimension",
    "LayerVerdict",
    "Thresholds",
    "diagnose",
]

_RULES = ("all", "nrc1")


@dataclass(frozen=True)
class Thresholds:
    """What counts as collapsed; see `diagnose`. ``classify``: NC4 in place of NRC4."""

    noise_tol: float
    cka_tol: float
    alignment_tol: float
    error_factor: float
    error_floor: float
    energy: float
    agreement_tol: float
    classify: bool

    def describe(self) -> str:
        """The thresholds in one line."""
        error = f"{self.error_factor:g} × the model's MSE + {self.error_floor:g} × the targets'"
        return (
            f"NRC1 ≤ {self.noise_tol:g}, NRC2 ≥ {self.cka_tol:g}, NRC3 ≥ {self.alignment_tol:g}, "
            + (f"NC4 ≥ {self.agreement_tol:g}" if self.classify else f"NRC4 ≤ {error} variance")
            + f"; intrinsic dimension at {self.energy:.0%} of the energy"
        )


@dataclass(frozen=True)
class Condition:
    """One condition at one layer.

    Attributes:
        name: ``"nrc1"`` … ``"nrc4"``, or ``"nc4"`` in its place for a classification.
        satisfied: Whether it holds; None where it is undefined.
        explanation: Value, threshold and, where it fails or is undefined, why.
    """

    name: str
    satisfied: bool | None
    explanation: str


@dataclass(frozen=True)
class LayerVerdict:
    """A layer's conditions and whether the rule in force calls it satisfied.

    Attributes:
        layer: Name.
        conditions: NRC1 to NRC4.
        satisfied: Whether the rule holds at this layer by itself.
        collapsed: Whether it holds at this layer and every later one.
    """

    layer: str
    conditions: tuple[Condition, ...]
    satisfied: bool
    collapsed: bool


@dataclass(frozen=True)
class BoundCheck:
    """Proposition 1 of [RU26] at a layer: residual ≤ bound; NaN and None where undefined."""

    layer: str
    residual: float
    bound: float
    holds: bool | None


@dataclass(frozen=True)
class IntrinsicDimension:
    """How many target dimensions the network sees, with the evidence for it.

    Attributes:
        value: Smallest r whose top-r subspace holds the stated share of the feature energy, in
            the last collapsed layer; None when no layer is collapsed.
        energy: That share.
        by_layer: The same at every layer; None where the features are constant or unseen.
        gap: r after which the last collapsed layer's eigenvalues λ_1 … λ_{t+1} fall most; None as
            ``value``.
        feature_stable_rank: Of that layer; NaN as ``value``.
        target_value: The same measure of the targets themselves; None for constant targets.
        target_stable_rank: Of the targets; NaN for constant ones.
        disagreements: Where the evidence differs, in words; empty when all agrees.
    """

    value: int | None
    energy: float
    by_layer: tuple[tuple[str, int | None], ...]
    gap: int | None
    feature_stable_rank: float
    target_value: int | None
    target_stable_rank: float
    disagreements: tuple[str, ...]

    def describe(self) -> list[str]:
        """The dimension and its evidence in lines of text."""
        listing = ", ".join(f"{name} {'–' if r is None else r}" for name, r in self.by_layer)
        targets = "undefined" if self.target_value is None else str(self.target_value)
        found = "none: no layer is collapsed" if self.value is None else str(self.value)
        lines = [
            f"Intrinsic dimension: {found}",
            f"  directions that hold {self.energy:.0%} of the feature energy: {listing}",
            f"  the same of the targets: {targets}; stable rank of the targets "
            f"{number(self.target_stable_rank)}",
        ]
        if self.value is not None:
            lines.append(
                f"  in the last collapsed layer: largest fall of the spectrum after {self.gap}, "
                f"stable rank {number(self.feature_stable_rank)}"
            )
        return lines + [f"  these disagree: {text}" for text in self.disagreements]


@dataclass(frozen=True)
class Diagnosis:
    """The judgement of a measurement.

    Attributes:
        rule: ``"all"`` or ``"nrc1"``.
        thresholds: In force.
        verdicts: One a layer, in calling order.
        first_collapsed_layer: Earliest layer from which on the rule holds to the last; None.
        first_collapsed_by_rule: The same under each rule.
        intrinsic: Intrinsic dimension with its evidence.
        bounds: Proposition 1 at each layer.
    """

    rule: str
    thresholds: Thresholds
    verdicts: tuple[LayerVerdict, ...]
    first_collapsed_layer: str | None
    first_collapsed_by_rule: tuple[tuple[str, str | None], ...]
    intrinsic: IntrinsicDimension
    bounds: tuple[BoundCheck, ...]

    def __str__(self) -> str:
        return diagnosis_text(self)

    @property
    def intrinsic_dimension(self) -> int | None:
        """`IntrinsicDimension.value`."""
        return self.intrinsic.value

    @property
    def collapsed_layers(self) -> tuple[str, ...]:
        """Names of the collapsed layers, in calling order."""
        return tuple(verdict.layer for verdict in self.verdicts if verdict.collapsed)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        depth, total = len(self.collapsed_layers), len(self.verdicts)
        other = dict(self.first_collapsed_by_rule)["nrc1" if self.rule == "all" else "all"]
        name = "all four conditions" if self.rule == "all" else "NRC1 alone"
        other_name = "NRC1 alone" if self.rule == "all" else "all four conditions"
        aside = f"by {other_name}: {other or 'no layer'}"
        if self.first_collapsed_layer is None:
            return f"Not collapsed: {name} hold in no run of layers up to the last ({aside})."
        return (
            f"Collapsed from {self.first_collapsed_layer} on: {depth} of {total} layers satisfy "
            f"{name} ({aside})."
        )


def diagnose(
    measurement: "Measurement",
    *,
    rule: str = "all",
    noise_tol: float = 0.1,
    cka_tol: float = 0.8,
    alignment_tol: float = 0.8,
    error_factor: float = 1.5,
    error_floor: float = 1e-10,
    energy: float = 0.99,
    agreement_tol: float = 0.95,
) -> Diagnosis:
    """Which layers are collapsed, by a rule that two people get the same answer from.

    A layer is collapsed when it and every later layer satisfy the rule. A condition that is
    undefined is not satisfied, and a layer that saw no rows breaks the run as an unsatisfied one
    does. Where NRC4 misses its limit by no more than rounding, its explanation says so.

    Args:
        measurement: From `measure`.
        rule: ``"all"`` (NRC1–4) or ``"nrc1"`` (NRC1 alone, as [RU26] marks its figures).
        noise_tol: NRC1 at most this.
        cka_tol: NRC2 at least this.
        alignment_tol: NRC3 at least this.
        error_factor: NRC4 at most this times the model's own MSE …
        error_floor: … plus this share of the targets' variance, for models that fit to rounding.
        energy: Share of the feature energy that defines the intrinsic dimension.
        agreement_tol: For a classification, whose scores have no error, NC4 stands in NRC4's
            place: at least this share of the rows.

    Returns:
        The verdict with its thresholds; ``print`` shows it in words.

    Raises:
        ArgumentError: An unknown rule or a threshold out of range.
    """
    if rule not in _RULES:
        raise ArgumentError(f"rule must be 'all' or 'nrc1'; got {rule!r}")
    limits = {
        "noise_tol": (noise_tol, 1.0),
        "cka_tol": (cka_tol, 1.0),
        "alignment_tol": (alignment_tol, 1.0),
        "error_factor": (error_factor, math.inf),
        "error_floor": (error_floor, 1.0),
        "energy": (energy, 1.0),
        "agreement_tol": (agreement_tol, 1.0),
    }
    for name, (value, high) in limits.items():
        if not 0.0 <= value <= high or (name == "energy" and value == 0.0):
            least = "above 0" if name == "energy" else "at least 0"
            raise ArgumentError(f"{name} must be {least} and at most {high:g}; got {value!r}")
    values = {name: value for name, (value, _) in limits.items()}
    thresholds = Thresholds(**values, classify=measurement.task == "classification")
    conditions = [_conditions(layer, measurement, thresholds) for layer in measurement.layers]
    holds = {
        "all": [all(c.satisfied is True for c in layer) for layer in conditions],
        "nrc1": [layer[0].satisfied is True for layer in conditions],
    }
    starts = {name: _start_of_run(flags) for name, flags in holds.items()}
    names = measurement.names
    first = {name: names[start] if start < len(names) else None for name, start in starts.items()}
    verdicts = tuple(
        LayerVerdict(name, checks, satisfied, i >= starts[rule])
        for i, (name, checks, satisfied) in enumerate(
            zip(names, conditions, holds[rule], strict=True)
        )
    )
    collapsed = [
        layer for layer, verdict in zip(measurement, verdicts, strict=True) if verdict.collapsed
    ]
    return Diagnosis(
        rule=rule,
        thresholds=thresholds,
        verdicts=verdicts,
        first_collapsed_layer=first[rule],
        first_collapsed_by_rule=tuple(first.items()),
        intrinsic=_intrinsic(measurement, collapsed, energy),
        bounds=tuple(_bound(layer) for layer in measurement.layers),
    )


def _start_of_run(flags: list[bool]) -> int:
    """Where the unbroken run of True that ends the list begins; its length if there is none."""
    start = len(flags)
    while start and flags[start - 1]:
        start -= 1
    return start


def _conditions(
    layer: "LayerMeasurement", measurement: "Measurement", limits: Thresholds
) -> tuple[Condition, ...]:
    return (
        _compared("nrc1", layer, "noise_component", limits.noise_tol, at_most=True),
        _compared("nrc2", layer, "signal_target_cka", limits.cka_tol, at_most=False),
        _compared("nrc3", layer, "feature_weight_alignment", limits.alignment_tol, at_most=False),
        _nc4(layer, limits) if limits.classify else _nrc4(layer, measurement, limits),
    )


def _compared(
    name: str, layer: "LayerMeasurement", metric: str, limit: float, *, at_most: bool
) -> Condition:
    label, value = name.upper(), getattr(layer, metric)
    if math.isnan(value):
        return Condition(name, None, f"{label} undefined: {layer.undefined[metric]}")
    sign = ("≤", ">") if at_most else ("≥", "<")
    satisfied = value <= limit if at_most else value >= limit
    text = f"{label} {number(value)} {sign[0] if satisfied else sign[1]} {limit:g}"
    if name == "nrc3":
        text += f" (unrelated subspaces: {number(layer.random_alignment)})"
    return Condition(name, satisfied, text)


def _nrc4(layer: "LayerMeasurement", measurement: "Measurement", limits: Thresholds) -> Condition:
    value, own = layer.linear_prediction_mse, measurement.model_mse
    if math.isnan(value):
        return Condition(
            "nrc4", None, f"NRC4 undefined: {layer.undefined['linear_prediction_mse']}"
        )
    if math.isnan(own):
        return Condition("nrc4", None, f"NRC4 undefined: {measurement.undefined['model_mse']}")
    variance = sum(measurement.target_eigenvalues) / measurement.target_dim
    limit = limits.error_factor * own + limits.error_floor * variance
    satisfied = value <= limit
    sign = "≤" if satisfied else ">"
    text = f"NRC4 {number(value)} {sign} {number(limit)} (the model's own MSE is {number(own)})"
    if not satisfied and value - layer.linear_prediction_floor <= limit:
        text += f"; within rounding ({number(layer.linear_prediction_floor)}) of the limit"
    return Condition("nrc4", satisfied, text)


def _nc4(layer: "LayerMeasurement", limits: Thresholds) -> Condition:
    assert layer.collapse is not None
    value, limit = layer.collapse.nearest_mean_agreement, limits.agreement_tol
    if math.isnan(value):
        reason = layer.collapse.undefined["nearest_mean_agreement"]
        return Condition("nc4", None, f"NC4 undefined: {reason}")
    sign = "≥" if value >= limit else "<"
    return Condition("nc4", value >= limit, f"NC4 {number(value)} {sign} {limit:g}")


def _bound(layer: "LayerMeasurement") -> BoundCheck:
    if math.isnan(layer.bound):
        return BoundCheck(layer.name, math.nan, math.nan, None)
    holds = Proposition1(layer.bound_residual, layer.bound).holds
    return BoundCheck(layer.name, layer.bound_residual, layer.bound, holds)


def _energy_rank(eigenvalues: tuple[float, ...], share: float) -> int | None:
    total = math.fsum(eigenvalues)
    if total <= 0.0:
        return None
    held = 0.0
    for r, value in enumerate(eigenvalues, start=1):
        held += value
        if held >= (share - 1e-12) * total:
            return r
    return len(eigenvalues)


def _intrinsic(
    measurement: "Measurement", collapsed: list["LayerMeasurement"], energy: float
) -> IntrinsicDimension:
    by_layer = tuple((x.name, _energy_rank(x.eigenvalues, energy)) for x in measurement.layers)
    targets = measurement.target_eigenvalues
    target_value = _energy_rank(targets, energy)
    target_rank = sum(targets) / targets[0] if target_value is not None else math.nan
    if not collapsed:
        return IntrinsicDimension(
            None, energy, by_layer, None, math.nan, target_value, target_rank, ()
        )
    last = collapsed[-1]
    value = dict(by_layer)[last.name]
    gap = _largest_gap(last.eigenvalues[: measurement.target_dim + 1])
    disagreements = []
    differing = [
        f"{x.name} {dict(by_layer)[x.name]}" for x in collapsed if dict(by_layer)[x.name] != value
    ]
    if differing:
        disagreements.append(f"other collapsed layers give {', '.join(differing)}")
    if gap != value:
        disagreements.append(f"the spectrum falls most after {gap}")
    if target_value != value:
        disagreements.append(f"the targets themselves give {target_value}")
    return IntrinsicDimension(
        value,
        energy,
        by_layer,
        gap,
        last.stable_rank,
        target_value,
        target_rank,
        tuple(disagreements),
    )


def _largest_gap(eigenvalues: tuple[float, ...]) -> int | None:
    """R with the largest λ_r/λ_{r+1}; values at rounding of the largest count as 0."""
    floor = 1e-14 * eigenvalues[0]
    best, best_ratio = None, 0.0
    for r, (value, after) in enumerate(itertools.pairwise(eigenvalues), start=1):
        if value <= floor:
            break
        ratio = value / max(after, floor)
        if ratio > best_ratio:
            best, best_ratio = r, ratio
    return best if best is not None else 1
