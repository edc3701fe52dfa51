"""Judge a measurement: which layers are collapsed, from where on, and to how many dimensions.

No tensors here: a diagnosis follows from the measurement's numbers and stated thresholds alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from deepnrc.errors import ArgumentError
from deepnrc.results.bounds import BoundCheck, bound_lines
from deepnrc.results.conditions import Condition, conditions
from deepnrc.results.intrinsic import IntrinsicDimension, intrinsic_dimension
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.measurement import Measurement
from deepnrc.results.thresholds import Thresholds
from deepnrc.support.keywords import keywords_of
from deepnrc.support.text import Table, shown

__all__ = ["BoundCheck", "Diagnosis", "LayerVerdict", "diagnose"]

_RULES = ("all", "nrc1")


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

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row in the table of a diagnosis."""
        marks = {True: "yes", False: "no", None: "–"}
        conditions = (marks[condition.satisfied] for condition in self.conditions)
        return self.layer, *conditions, marks[self.collapsed]

    @property
    def failures(self) -> str:
        """What failed and why, in a line; empty where nothing did."""
        failed = [c.explanation for c in self.conditions if c.satisfied is not True]
        return f"{self.layer}: {'; '.join(failed)}" if failed else ""


@dataclass(frozen=True)
class Diagnosis:
    """The judgement of a measurement.

    Attributes:
        rule: ``"all"`` or ``"nrc1"``.
        thresholds: In force.
        verdicts: One for each layer that the predictions depend on, from the inputs on.
        not_judged: Why each other layer is left out, by name.
        target_rank: k of NRC1 to NRC3 where the targets are of low rank; None elsewhere.
        first_collapsed_layer: Earliest layer from which on the rule holds to the last; None.
        first_collapsed_by_rule: The same under each rule.
        intrinsic: Intrinsic dimension with its evidence.
        bounds: What the targets leave unexplained of each layer, and bounds of it.
    """

    rule: str
    thresholds: Thresholds
    verdicts: tuple[LayerVerdict, ...]
    first_collapsed_layer: str | None
    first_collapsed_by_rule: tuple[tuple[str, str | None], ...]
    intrinsic: IntrinsicDimension
    bounds: tuple[BoundCheck, ...]
    not_judged: tuple[tuple[str, str], ...] = ()
    target_rank: int | None = None

    def __str__(self) -> str:
        table = Table(
            ("layer", *self.condition_names, "collapsed"),
            tuple(verdict.cells for verdict in self.verdicts),
            (),
        )
        failures = [verdict.failures for verdict in self.verdicts if verdict.failures]
        text = "\n".join(
            [
                *(self.headline, "", str(table), *failures),
                *self._rank_lines,
                *(f"{name}: not judged: {reason}" for name, reason in self.not_judged),
                *("", f"Thresholds: {self.thresholds.describe()}"),
                *("", *self.intrinsic.describe()),
                *("", *bound_lines(self.bounds)),
            ]
        )
        return shown(text)

    @property
    def _rank_lines(self) -> tuple[str, ...]:
        if self.target_rank is None:
            return ()
        return (
            f"NRC1 to NRC3 are judged at k = {self.target_rank}, the rank of the targets (99 % of "
            "their variance); signal_rank= sets another k",
        )

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Headings of the conditions."""
        last = "NC4" if self.thresholds.classify else "NRC4"
        return ("NRC1", "NRC2", "NRC3", last)

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
            f"Collapsed from {self.first_collapsed_layer or 'the model itself'} on: {depth} of "
            f"{total} layers satisfy {name} ({aside})."
        )


@keywords_of(Thresholds, leave_out=["classify"])
def diagnose(measurement: Measurement, *, rule: str = "all", **thresholds: float) -> Diagnosis:
    """Which layers are collapsed, by a rule that gives everybody the same answer.

    A layer is collapsed when it and every later layer satisfy the rule. A condition that is
    undefined is not satisfied, but NRC3 of a layer that applies no
    matrix, or reads all directions alike, is left out. Layers that
    saw no rows, or on which the predictions do not depend, are not judged. Where NRC4 misses its
    limit by no more than rounding, its explanation says so.

    Args:
        measurement: From `measure`.
        rule: ``"all"`` (NRC1–4) or ``"nrc1"`` (NRC1 alone, as [RU26] marks its figures).
        thresholds: See `Thresholds`.

    Returns:
        The verdict with its thresholds; ``print`` shows it in words.

    Raises:
        ArgumentError: An unknown rule or a threshold out of range.
    """
    if rule not in _RULES:
        raise ArgumentError(f"rule must be 'all' or 'nrc1'; got {rule!r}")
    if not isinstance(measurement, Measurement):
        raise ArgumentError(
            f"measurement must be a deepnrc.Measurement; got a {type(measurement).__name__}: pass "
            "what deepnrc.measure(model, loader) returns; what measure_heads returns is judged by "
            "its own .diagnose()"
        )
    limits = Thresholds.of(thresholds, classify=measurement.task == "classification")
    judged = [layer for layer in measurement if layer.role == "path" and layer.rows]
    found = [conditions(layer, measurement, limits) for layer in judged]
    holds = {
        "all": [all(condition.allows for condition in each) for each in found],
        "nrc1": [each[0].satisfied is True for each in found],
    }
    names = [layer.name for layer in judged]
    starts = {name: _start_of_run(flags) for name, flags in holds.items()}
    first = {name: names[start] if start < len(names) else None for name, start in starts.items()}
    verdicts = tuple(
        LayerVerdict(name, each, satisfied, number >= starts[rule])
        for number, (name, each, satisfied) in enumerate(
            zip(names, found, holds[rule], strict=True)
        )
    )
    collapsed = judged[starts[rule] :]
    return Diagnosis(
        rule=rule,
        thresholds=limits,
        verdicts=verdicts,
        first_collapsed_layer=first[rule],
        first_collapsed_by_rule=tuple(first.items()),
        intrinsic=intrinsic_dimension(measurement, collapsed, limits.energy),
        bounds=tuple(BoundCheck.of(layer) for layer in judged),
        target_rank=_target_rank(judged),
        not_judged=tuple((x.name, _reason(x)) for x in measurement if x not in judged),
    )


def _target_rank(layers: Sequence[LayerMeasurement]) -> int | None:
    ranks = [x.at_target_rank.signal_rank for x in layers if x.at_target_rank is not None]
    return max(ranks, default=None)


def _reason(layer: LayerMeasurement) -> str:
    if layer.role == "side":
        return "it lies on a side branch, on which the predictions do not depend"
    return layer.undefined["noise_component"]


def _start_of_run(flags: list[bool]) -> int:
    """Where the unbroken run of True that ends the list begins; its length if there is none."""
    start = len(flags)
    while start and flags[start - 1]:
        start -= 1
    return start
