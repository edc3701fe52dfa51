"""The four conditions at one layer, each with its value, its threshold and why it fails."""

import math
from dataclasses import dataclass, field, replace

from deepnrc.metrics.leading import is_tie
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.measurement import Measurement
from deepnrc.results.signal_values import SignalValues
from deepnrc.results.thresholds import Thresholds
from deepnrc.support.text import number

__all__ = ["Condition", "conditions"]


@dataclass(frozen=True)
class Condition:
    """One condition at one layer.

    Attributes:
        name: ``"nrc1"`` … ``"nrc4"``, or ``"nc4"`` in its place for a classification.
        satisfied: Whether it holds; None where it is undefined.
        explanation: Value, threshold and, where it fails or is undefined, why.
        left_out: Whether the verdict goes without it, as without NRC3 of a layer that applies no
            matrix, or an orthogonal one.
    """

    name: str
    satisfied: bool | None
    explanation: str
    left_out: bool = field(default=False, metadata={"omit_empty": True})

    @property
    def allows(self) -> bool:
        """Whether a layer may be collapsed as far as this condition tells."""
        return self.satisfied is True or self.left_out


def conditions(
    layer: LayerMeasurement, measurement: Measurement, limits: Thresholds
) -> tuple[Condition, ...]:
    """NRC1 to NRC4 at a layer, NC4 in NRC4's place for a classification.

    Where the targets are of low rank, NRC1 to NRC3 are those at their rank.
    """
    at = layer.at_target_rank or layer
    third = _compared("nrc3", at, "feature_weight_alignment", limits.alignment_tol, at_most=False)
    reason = at.undefined.get("feature_weight_alignment", "")
    if layer.weight_source == "undefined" or is_tie(reason):
        third = replace(
            third, explanation=f"{third.explanation}; left out of the verdict", left_out=True
        )
    return (
        _compared("nrc1", at, "noise_component", limits.noise_tol, at_most=True),
        _compared("nrc2", at, "signal_target_cka", limits.cka_tol, at_most=False),
        third,
        _nc4(layer, limits) if limits.classify else _nrc4(layer, measurement, limits),
    )


def _compared(
    name: str, layer: LayerMeasurement | SignalValues, metric: str, limit: float, *, at_most: bool
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


def _nrc4(layer: LayerMeasurement, measurement: Measurement, limits: Thresholds) -> Condition:
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


def _nc4(layer: LayerMeasurement, limits: Thresholds) -> Condition:
    assert layer.collapse is not None
    value, limit = layer.collapse.nearest_mean_agreement, limits.agreement_tol
    if math.isnan(value):
        reason = layer.collapse.undefined["nearest_mean_agreement"]
        return Condition("nc4", None, f"NC4 undefined: {reason}")
    sign = "≥" if value >= limit else "<"
    return Condition("nc4", value >= limit, f"NC4 {number(value)} {sign} {limit:g}")
