"""Where the samples are in what enters a layer, found by comparing a batch with a part of it.

Shapes alone do not tell: in a batch of 30 sequences of 30 steps both axes look alike, and a flat
axis of 210 rows may list positions within samples or samples within positions. So the same layer
is looked at twice, with the whole batch and with its first samples: the axis whose size follows
the number of samples holds them, and values tell their order.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.support.undefined import Undefined

__all__ = ["Glimpse", "Layout", "find_layout"]


@dataclass(frozen=True)
class Layout:
    """Where the samples are.

    Attributes:
        axis: That holds them, counted without the feature axis; None: there is one sample, which
            has no axis.
        positions: Rows of each sample along that axis; 1 where it holds samples alone.
        sample_first: Whether the rows of a sample follow one another along it.
    """

    axis: int | None
    positions: int = 1
    sample_first: bool = True

    def by_sample(self, activation: Tensor, feature_axis: int) -> Tensor:
        """The activation as samples × positions … × features."""
        features = activation.movedim(feature_axis, -1)
        if self.axis is None:
            return features[None]
        axis = self.axis
        if self.positions > 1:
            size = features.shape[axis] // self.positions
            split = (size, self.positions) if self.sample_first else (self.positions, size)
            features = features.unflatten(axis, split)  # type: ignore[no-untyped-call]
            axis += not self.sample_first
        return features.movedim(axis, 0)


@dataclass(frozen=True)
class Glimpse:
    """What is kept of an activation: its shape, and one number for each row of features.

    Attributes:
        shape: Without the feature axis.
        values: Of that shape: a fixed mixture of the features.
        eps: Relative rounding of the activation.
    """

    shape: tuple[int, ...]
    values: Tensor
    eps: float

    @classmethod
    def of(cls, activation: Tensor, feature_axis: int) -> "Glimpse":
        """Look at an activation."""
        width = activation.shape[feature_axis]
        dtype = torch.promote_types(activation.dtype, torch.float32)
        mixture = torch.cos(torch.arange(1, width + 1, dtype=dtype, device=activation.device))
        values = torch.tensordot(activation.to(dtype), mixture, dims=([feature_axis], [0]))
        eps = torch.finfo(activation.dtype).eps if activation.is_floating_point() else 0.0
        return cls(tuple(values.shape), values, eps * width**0.5)


def find_layout(
    whole: Glimpse, part: Glimpse, *, samples: int, part_samples: int
) -> Layout | Undefined:
    """The layout of an activation, from a look at it with all samples and with the first ones.

    The axis is counted without the feature axis.

    Args:
        whole: With ``samples``.
        part: With ``part_samples``: the first of them, or all of them twice.
        samples: At least 1.
        part_samples: Another number.
    """
    moved = [
        axis for axis, (a, b) in enumerate(zip(whole.shape, part.shape, strict=False)) if a != b
    ]
    if len(whole.shape) != len(part.shape):
        return Undefined("its input has another number of axes when the batch is smaller")
    if not moved:
        return Undefined("its input does not change with the number of samples")
    if len(moved) > 1:
        return Undefined("several axes of its input change with the number of samples")
    (axis,) = moved
    size = whole.shape[axis]
    positions, rest = divmod(size, samples)
    if rest or part.shape[axis] != positions * part_samples:
        return Undefined("its rows are a selection of the samples that changes with the batch")
    count = min(samples, part_samples)
    if positions == 1:
        layout = Layout(axis)
        if not _same(layout, whole, part, count) and _reordered(layout, whole, part, count):
            return Undefined("it takes the samples in another order than the batch")
        return layout
    orders = [Layout(axis, positions, sample_first) for sample_first in (True, False)]
    matching = [layout for layout in orders if _same(layout, whole, part, count)]
    if not matching:
        return Undefined(
            f"its {size} rows for {samples} samples are in an order that cannot be told"
        )
    return matching[0]


def _same(layout: Layout, whole: Glimpse, part: Glimpse, count: int) -> bool:
    """Whether the first samples look the same in the whole batch and in a part of it."""
    one, other = _by_sample(layout, whole)[:count], _by_sample(layout, part)[:count]
    return bool(((one - other).abs() <= _tolerance(whole, part)).all())


def _reordered(layout: Layout, whole: Glimpse, part: Glimpse, count: int) -> bool:
    """Whether each sample of the part is found in the whole batch, but elsewhere.

    Where it is not found at all, the model is random or mixes samples: shapes must do.
    """
    one, other = _by_sample(layout, whole), _by_sample(layout, part)[:count]
    far = (other[:, None] - one[None]).abs().amax(-1)
    return bool((far.amin(1) <= _tolerance(whole, part)).all())


def _by_sample(layout: Layout, glimpse: Glimpse) -> Tensor:
    return layout.by_sample(glimpse.values[..., None], -1).flatten(1).double()


def _tolerance(whole: Glimpse, part: Glimpse) -> float:
    # Products of matrices of other sizes round otherwise; a wrong order is off by the values' size.
    scale = max(float(x.values.abs().max()) if x.values.numel() else 0.0 for x in (whole, part))
    return 1e3 * max(whole.eps, part.eps) * scale
