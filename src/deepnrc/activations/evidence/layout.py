"""Where the samples are in what enters a layer, found by comparing a batch with a part of it.

Shapes alone do not tell: in a batch of 30 sequences of 30 steps both axes look alike, and a flat
axis of 210 rows may list positions within samples or samples within positions. So the same layer
is looked at twice, with the whole batch and with its last samples: the axis whose size follows
the number of samples holds them, and values tell their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deepnrc.activations.kinds.part import Padded
from deepnrc.support.undefined import Undefined

__all__ = ["Glimpse", "Layout", "alike", "find_layout"]


@dataclass(frozen=True)
class Layout:
    """Where the samples are.

    Attributes:
        axis: That holds them, counted without the feature axis; None: there is one sample, which
            has no axis.
        positions: Rows of each sample along that axis; 1 where it holds samples alone.
        sample_first: Whether the rows of a sample follow one another along it.
        sure: Whether the values told the order of the samples; where all rows are alike, any
            order fits.
    """

    axis: int | None
    positions: int = 1
    sample_first: bool = True
    sure: bool = True

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
    def of(cls, activation: Tensor | Padded, feature_axis: int) -> "Glimpse":
        """Look at an activation; of sequences of several lengths only at each sample's sum."""
        if isinstance(activation, Padded):
            each = cls.of(activation.values, -1)
            values = torch.where(activation.kept, each.values, torch.zeros_like(each.values))
            return cls(each.shape[:1], values.sum(1), each.eps * each.shape[1] ** 0.5)
        width = activation.shape[feature_axis]
        dtype = torch.promote_types(activation.dtype, torch.float32)
        mixture = torch.cos(torch.arange(1, width + 1, dtype=dtype, device=activation.device))
        values = torch.tensordot(activation.to(dtype), mixture, dims=([feature_axis], [0]))
        eps = torch.finfo(activation.dtype).eps if activation.is_floating_point() else 0.0
        return cls(tuple(values.shape), values, eps * width**0.5)


def find_layout(
    whole: Glimpse, part: Glimpse, *, samples: int, order: Sequence[int]
) -> Layout | Undefined:
    """The layout of an activation, from a look at it with all samples and with some of them.

    The axis is counted without the feature axis.

    Args:
        whole: With all samples.
        part: With some.
        samples: At least 1.
        order: Numbers of the samples of the part; each sample twice where there is one; all in
            another order where the model takes no other number of them.
    """
    if len(whole.shape) != len(part.shape):
        return Undefined("its input has another number of axes when the batch is smaller")
    if len(order) == samples:
        return _by_values(whole, part, samples, order)
    moved = [
        axis for axis, (a, b) in enumerate(zip(whole.shape, part.shape, strict=False)) if a != b
    ]
    if not moved:
        return Undefined("its input does not change with the number of samples")
    if len(moved) > 1:
        return Undefined("several axes of its input change with the number of samples")
    (axis,) = moved
    size = whole.shape[axis]
    positions, rest = divmod(size, samples)
    if rest or part.shape[axis] != positions * len(order):
        return Undefined(
            "its rows are not the same number for each sample: return them from reduce= with the "
            "number of the sample of each"
        )
    sure = samples > 1 and not alike(whole)
    if positions == 1:
        layout = Layout(axis, sure=sure)
        if not _same(layout, whole, part, order) and _reordered(layout, whole, part):
            return Undefined("it takes the samples in another order than the batch")
        return layout
    orders = [Layout(axis, positions, sample_first, sure) for sample_first in (True, False)]
    matching = [layout for layout in orders if _same(layout, whole, part, order)]
    if not matching:
        return Undefined(
            f"its {size} rows for {samples} samples are in an order that cannot be told"
        )
    return replace(matching[0], sure=sure and len(matching) == 1)


def _by_values(
    whole: Glimpse, part: Glimpse, samples: int, order: Sequence[int]
) -> Layout | Undefined:
    """The layout where both looks have the same sizes: the axis whose rows took the new order."""
    if alike(whole):
        plain = bool(whole.shape) and whole.shape[0] == samples
        return Layout(0, sure=False) if plain else Undefined("its input is the same in every row")
    found = [
        Layout(axis, size // samples, first)
        for axis, size in enumerate(whole.shape)
        if size % samples == 0 and whole.shape == part.shape
        for first in ((True, False) if size > samples else (True,))
    ]
    matching = [layout for layout in found if _same(layout, whole, part, order)]
    if not matching:
        return Undefined("no axis of its input follows the order of the samples")
    return replace(matching[0], sure=len(matching) == 1)


def alike(glimpse: Glimpse) -> bool:
    """Whether all rows are the same, to rounding."""
    values = glimpse.values.double()
    return bool((values - values.flatten()[:1]).abs().amax() <= _tolerance(glimpse, glimpse))


def _same(layout: Layout, whole: Glimpse, part: Glimpse, order: Sequence[int]) -> bool:
    """Whether the samples of the part look the same in the whole batch."""
    one, other = _by_sample(layout, whole), _by_sample(layout, part)
    return bool(((one[list(order)] - other).abs() <= _tolerance(whole, part)).all())


def _reordered(layout: Layout, whole: Glimpse, part: Glimpse) -> bool:
    """Whether each sample of the part is found in the whole batch, but elsewhere.

    Where it is not found at all, the model is random or mixes samples: shapes must do.
    """
    one, other = _by_sample(layout, whole), _by_sample(layout, part)
    far = (other[:, None] - one[None]).abs().amax(-1)
    return bool((far.amin(1) <= _tolerance(whole, part)).all())


def _by_sample(layout: Layout, glimpse: Glimpse) -> Tensor:
    return layout.by_sample(glimpse.values[..., None], -1).flatten(1).double()


def _tolerance(whole: Glimpse, part: Glimpse) -> float:
    # Products of matrices of other sizes round otherwise; a wrong order is off by the values' size.
    scale = max(float(x.values.abs().max()) if x.values.numel() else 0.0 for x in (whole, part))
    return 1e3 * max(whole.eps, part.eps) * scale
