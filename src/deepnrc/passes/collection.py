"""What the passes over a loader gave: enough for every metric, without the data."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.activations.layers import Skipped
from deepnrc.moments.by_class import ClassMoments
from deepnrc.moments.record import Moments
from deepnrc.moments.unit_rows import UnitRows

__all__ = ["Collection", "LayerCollection", "SecondLook"]


@dataclass(frozen=True)
class SecondLook:
    """What a second pass adds at a layer of a classifier, once class means are known.

    Attributes:
        agreeing: Rows whose nearest class mean is what the network decides; None when its
            decisions are not known.
        reason: Why they are not.
        spread: Σ ((h − μ_c)·v)² over the rows, along each direction v in which class means differ;
            from the moments it would be a small difference of large numbers.
    """

    agreeing: int | None
    reason: str
    spread: Float64[Tensor, " r"]


@dataclass(frozen=True)
class LayerCollection:
    """What one layer left after the pass.

    Attributes:
        name: Dotted module name.
        kind: ``"linear"``, ``"linear_in_out"`` or ``"convolution"``.
        weight: W as a p × d matrix.
        moments: Joint moments of its features and the targets; None when it saw no rows.
        dtype: The features' own dtype; None when it saw no rows.
        weight_dtype: The weight's own dtype.
        rows: Feature rows seen (samples × positions × calls).
        calls: Times the layer was called in the whole pass.
        classes: Moments by class; None for a regression, or when it saw no rows.
        directions: Second moment of its unit rows; None unless it is the last layer and they were
            asked for.
        second_look: What the second pass added; None as ``classes``.
    """

    name: str
    kind: str
    weight: Float64[Tensor, "p d"]
    moments: Moments | None
    dtype: torch.dtype | None
    weight_dtype: torch.dtype
    rows: int
    calls: int
    classes: ClassMoments | None = None
    directions: UnitRows | None = None
    second_look: SecondLook | None = None


@dataclass(frozen=True)
class Collection:
    """Everything one pass gave.

    Attributes:
        model: The model's class name.
        layers: In the order in which the model called them; those never called come last.
        targets: Moments of the targets alone (its features are of width 0).
        batches: Batches seen.
        squared_errors: Sum of (prediction − target)² over the samples, by target dimension; None
            when undefined.
        squared_error_reason: Why it is undefined.
        skipped: Modules with weights that were not measured.
        state_bytes: Bound of the memory the accumulators held, independent of the samples.
        reduce: The reduction rule, as text.
        precision: ``"mixed"`` or ``"double"``.
        task: ``"regression"``, or ``"classification"`` with one-hot targets.
        correct: Samples whose largest score is their class's; None for a regression or when
            undefined.
        correct_reason: Why it is undefined.
        last_layer: Which unit rows were summed: ``"paper2024"``, ``"centred"`` or None.
    """

    model: str
    layers: tuple[LayerCollection, ...]
    targets: Moments
    batches: int
    squared_errors: tuple[float, ...] | None
    squared_error_reason: str
    skipped: tuple[Skipped, ...]
    state_bytes: int
    reduce: str
    precision: str
    task: str = "regression"
    correct: int | None = None
    correct_reason: str = ""
    last_layer: str | None = None

    @property
    def squared_error(self) -> float | None:
        """Sum of the squared errors over the target dimensions; None when undefined."""
        return None if self.squared_errors is None else math.fsum(self.squared_errors)

    @property
    def output_layer(self) -> LayerCollection | None:
        """The last layer that was called and whose weight has a row a target; None without one."""
        t = self.targets.target_dim
        found = [x for x in self.layers if x.moments is not None and len(x.weight) == t]
        return found[-1] if found else None

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Samples of each class; empty for a regression."""
        if self.task != "classification":
            return ()
        return tuple(round(n) for n in (self.targets.target_mean * self.targets.count).tolist())
