"""What the passes over a loader gave: enough for every metric, without the data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.activations.evidence.effective_weight import Applied
from deepnrc.activations.layers import Skipped, WeightLayer
from deepnrc.moments.by_class import ClassMoments
from deepnrc.moments.record import Moments
from deepnrc.moments.unit_rows import UnitRows
from deepnrc.passes.layer_statistics import Spread
from deepnrc.passes.options import MeasureOptions
from deepnrc.support.undefined import Undefined

__all__ = ["Collection", "LayerCollection"]


@dataclass(frozen=True, kw_only=True)
class LayerCollection:
    """What one layer left after the passes.

    Attributes:
        name: Dotted module name.
        kind: ``"linear"``, ``"convolution"``, ``"recurrent_state"``, ``"registered"``, …
        weight: W, the p × d matrix that it applies; undefined where it applies none.
        weight_dtype: The weight's own dtype.
        width: d.
        outputs: p.
        bias: What it adds to each output unit; None: 0.
        weight_source: Empty where W is its ``.weight``; ``"layer"`` where it was found by applying
            the layer to a basis; ``"undefined"``.
        dtype: The features' own dtype; None when it saw no rows.
        rows: Feature rows seen (samples × positions × calls).
        calls: Times the layer was called in a pass.
        depth: Most measured layers one after the other between the inputs and it.
        on_path: Whether the predictions depend on it.
        unpaired: Why its rows could not be paired with targets; None where they could.
        notes: What should be known of how its rows were taken.
        results: Of each statistic that was summed here, by its name.
    """

    name: str
    kind: str
    weight: Float64[Tensor, "p d"] | Undefined
    weight_dtype: torch.dtype
    width: int
    outputs: int
    bias: Float64[Tensor, " u"] | None = None
    weight_source: str = ""
    dtype: torch.dtype | None = None
    rows: int = 0
    calls: int = 0
    depth: int = 0
    on_path: bool = True
    unpaired: Undefined | None = None
    notes: tuple[str, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def unseen(cls, layer: WeightLayer, applied: Applied | None = None) -> "LayerCollection":
        """Of a layer that has no rows yet.

        Args:
            layer: Which.
            applied: What it applies; None: its own weight.
        """
        if applied is None:
            weight = layer.weight_matrix()
            applied = Applied(weight, layer.bias, len(weight))
        return cls(
            name=layer.name,
            kind=layer.kind,
            weight=applied.weight,
            weight_dtype=layer.weight_dtype,
            width=layer.feature_dim,
            outputs=applied.outputs,
            bias=applied.bias,
            weight_source=applied.source,
            notes=applied.notes,
        )

    @property
    def moments(self) -> Moments | None:
        """Joint moments of its features and the targets; None when it saw no rows."""
        return self.results.get("moments")

    @property
    def classes(self) -> ClassMoments | None:
        """Moments by class; None for a regression, or when it saw no rows."""
        return self.results.get("classes")

    @property
    def spread(self) -> Spread | None:
        """Rows about their class means; None as ``classes``."""
        return self.results.get("spread")

    @property
    def unit_rows(self) -> UnitRows | None:
        """Second moment of its unit rows; None where they were not asked for."""
        return self.results.get("unit_rows")


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Everything the passes gave.

    Attributes:
        model: The model's class name.
        layers: In the order in which the model called them; those never called come last.
        targets: Moments of the targets alone (its features are of width 0).
        batches: Batches seen.
        squared_errors: Sum of (prediction − target)² over the samples, by target dimension.
        correct: Samples whose largest score is their class's; None for a regression.
        last: Name of the layer whose output is the prediction; None where there is none.
        skipped: Modules with weights that were not measured.
        state_bytes: Bound of the memory the sums held, independent of the samples.
        options: How all of it was measured.
        notes: What should be known of how batches were read.
    """

    model: str
    layers: tuple[LayerCollection, ...]
    targets: Moments
    batches: int
    squared_errors: tuple[float, ...] | Undefined
    correct: int | Undefined | None
    last: str | None
    skipped: tuple[Skipped, ...]
    state_bytes: int
    options: MeasureOptions
    notes: tuple[str, ...] = ()

    @property
    def squared_error(self) -> float | Undefined:
        """Sum of the squared errors over the target dimensions."""
        errors = self.squared_errors
        return errors if isinstance(errors, Undefined) else math.fsum(errors)

    @property
    def output_layer(self) -> LayerCollection | None:
        """The layer whose output is the prediction; None without one."""
        return next((x for x in self.layers if x.name == self.last), None)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Samples of each class; empty for a regression."""
        if self.options.task != "classification":
            return ()
        return tuple(round(n) for n in (self.targets.target_mean * self.targets.count).tolist())
