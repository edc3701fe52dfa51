"""The record of one layer: every metric, and what should be known when reading it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE, ClassValues, LayerValues
from deepnrc.results.signal_values import SignalValues
from deepnrc.support.text import number

__all__ = ["ClassCollapse", "LayerMeasurement"]


@dataclass(frozen=True, kw_only=True)
class ClassCollapse(ClassValues):
    """Neural collapse of one layer of a classifier; NaN where undefined, with the reason.

    The metrics are described in `deepnrc.metrics.classification`.

    Attributes:
        undefined: Reason by name of each undefined value.
    """

    undefined: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """The metrics by name; NaN where undefined."""
        return {name: getattr(self, name) for name in CLASS_CATALOGUE}


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What a layer is and saw; before the metrics in the order of columns."""

    name: str
    kind: str
    width: int
    rows: int
    calls: int
    signal_rank: int
    alignment_rank: int


@dataclass(frozen=True, kw_only=True)
class LayerMeasurement(LayerValues, _Facts):
    """Every metric of one layer; NaN where undefined, with the reason in ``undefined``.

    The metrics are described in `deepnrc.metrics.catalogue`. Besides them:

    Attributes:
        name: Dotted module name.
        kind: ``"linear"``, ``"convolution"``, ``"recurrent_state"``, ``"registered"``, …
        width: d, the width of its features.
        rows: Feature rows seen: samples × positions × calls.
        calls: Calls in the whole pass.
        signal_rank: k of NRC1 and NRC2: as asked for, capped by the width.
        alignment_rank: k of NRC3: also capped by the ranks of features and weight.
        random_alignment: The expected NRC3 of unrelated subspaces of these dimensions.
        noise_component_floor: Rounding bound of the noise component.
        linear_prediction_floor: Rounding bound of ``linear_prediction_mse``.
        linear_prediction_rank: Feature directions that the linear prediction kept.
        bound_residual: Left side of Proposition 1.
        bound: Right side of Proposition 1, as published; it does not hold for all spectra.
        spectral_bound: A right side that always holds, from NRC1, NRC2 and the spectra; NaN in
            records of versions before it.
        eigenvalues: Of the features' covariance, descending.
        undefined: Reason by name of each undefined value.
        notes: What else should be known when reading the values.
        collapse: Neural collapse, NC1–4; None for a regression.
        extra: Values of the user's own metrics by name.
        role: ``"path"`` for a layer that the predictions depend on; ``"side"`` for one on a side
            branch; ``"uncalled"``; ``"unpaired"`` where its rows have no targets. Only those on
            the path are judged.
        depth: Most measured layers one after the other between the inputs and it.
        at_target_rank: The conditions at the targets' own rank r, where that is below their
            number t and no other signal rank was asked for; None elsewhere. Diagnoses go by it.
        weight_source: Empty where W is the layer's ``.weight``; ``"layer"`` where it was found by
            applying the layer; ``"undefined"`` where the layer is not linear.
    """

    random_alignment: float = math.nan
    noise_component_floor: float = math.nan
    linear_prediction_floor: float = math.nan
    linear_prediction_rank: int = 0
    bound_residual: float = math.nan
    bound: float = math.nan
    spectral_bound: float = math.nan
    eigenvalues: tuple[float, ...] = ()
    undefined: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    collapse: ClassCollapse | None = None
    extra: Mapping[str, float] = field(default_factory=dict, metadata={"omit_empty": True})
    role: str = "path"
    depth: int = 0
    at_target_rank: SignalValues | None = field(default=None, metadata={"omit_empty": True})
    weight_source: str = field(default="", metadata={"omit_empty": True})

    @property
    def values(self) -> dict[str, float]:
        """The catalogue's metrics by name, then the user's own; NaN where undefined."""
        return {**{name: getattr(self, name) for name in CATALOGUE}, **self.extra}

    def cell(self, column: str, reasons: dict[str, int]) -> str:
        """A value as a table shows it; a reason for an undefined one gets the next number.

        Args:
            column: Name of a metric or field.
            reasons: Numbers of the reasons so far; extended in place.
        """
        record = self.collapse if column in CLASS_CATALOGUE else self
        assert record is not None
        value: float = self.extra[column] if column in self.extra else getattr(record, column)
        reason = record.undefined.get(column)
        if column == "random_alignment" and math.isnan(value):
            reason = self.undefined.get("feature_weight_alignment")
        if reason is not None:
            return f"–[{reasons.setdefault(reason, len(reasons) + 1)}]"
        floor = {
            "linear_prediction_mse": self.linear_prediction_floor,
            "noise_component": self.noise_component_floor,
        }.get(column, -math.inf)
        return f"<{number(floor)}" if value < floor else number(value)
