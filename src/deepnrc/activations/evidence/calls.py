"""A call of a layer: a few of its rows with what came of them, and how to call it once more."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.preserved_state import calls_undone

__all__ = ["Kept", "LayerCall", "spread_positions"]

_ROWS = 8  # kept of a call; one output unit's error is then known to a quarter
_SAMPLES = 2  # of a convolution
_AT_ONCE = 1024  # rows in a call of our own


@dataclass(frozen=True)
class Kept:
    """Copies of a few rows of what enters a layer, taken before it runs.

    Attributes:
        inputs: Samples × channels × axes of the kernel; rows × features for a linear layer.
        indices: Numbers of these samples, or of these rows.
        entering: The whole activation's shape.
    """

    inputs: Tensor
    indices: Tensor
    entering: torch.Size

    @classmethod
    def of(cls, layer: WeightLayer, activation: Tensor) -> "Kept":
        """Keep some."""
        axes = layer.spatial_axes
        if axes:
            activation = activation if activation.ndim > axes + 1 else activation[None]
            chosen = _spread(activation.shape[0], _SAMPLES)
            return cls(activation[chosen.to(activation.device)], chosen, activation.shape)
        count = math.prod(activation.shape[:-1])
        chosen = _spread(count, _ROWS)
        if activation.ndim == 1:
            return cls(activation[None].clone(), chosen, activation.shape)
        where = torch.unravel_index(chosen.to(activation.device), activation.shape[:-1])
        return cls(activation[where], chosen, activation.shape)


@dataclass(frozen=True)
class LayerCall:
    """A call that has just ended, while its surroundings (autocast, adapters) are still there.

    Attributes:
        layer: What was called.
        kept: Of its input.
        outputs: For what was kept, in the same form; None where the layer returned another number
            of values than outputs for each row.
        args: It was called with.
        kwargs: It was called with.
        units: Output units, or channels.
    """

    layer: WeightLayer
    kept: Kept
    outputs: Tensor | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    units: int

    @classmethod
    def of(
        cls,
        layer: WeightLayer,
        kept: Kept,
        given: tuple[tuple[Any, ...], Mapping[str, Any]],
        returned: Any,
        units: int,
    ) -> "LayerCall":
        """A call with what it returned."""
        whole = _whole(layer, returned, kept.entering, units)
        outputs = None if whole is None else whole[kept.indices.to(whole.device)]
        return cls(layer, kept, outputs, *given, units)

    def through(self, rows: Tensor) -> Tensor | None:
        """What the layer makes of other inputs, in the form of ``kept.inputs``.

        The layer is called as before but for its input, and its state is put back.
        """
        with calls_undone(self.layer.module), torch.no_grad():
            if self.layer.spatial_axes:
                return self._called(rows)
            with contextlib.suppress(Exception):  # a layer may insist on the batch's own shape
                shape = self._shape(len(rows))
                if shape is not None:
                    return self._in_parts(rows, shape)
            return self._in_parts(rows, self.kept.entering)

    def _shape(self, count: int) -> tuple[int, ...] | None:
        """A shape with many rows; None where other arguments belong to the rows as they are."""
        if sum(isinstance(x, Tensor) for x in tree_leaves((self.args, self.kwargs))) > 1:
            return None
        inner = self.kept.entering[1:] if len(self.kept.entering) > 1 else self.kept.entering
        each = max(1, math.prod(inner[:-1]))
        return (-(-min(count, _AT_ONCE) // each), *inner)

    def _in_parts(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor | None:
        size, found = max(1, math.prod(shape[:-1])), []
        for part in torch.split(rows, size):
            filled = rows.new_zeros(size, rows.shape[1])
            filled[: len(part)] = part
            outputs = self._called(filled.reshape(shape))
            if outputs is None:
                return None
            found.append(outputs[: len(part)])
        return torch.cat(found)

    def _called(self, features: Tensor) -> Tensor | None:
        args, kwargs = self.args, dict(self.kwargs)
        if args and isinstance(args[0], Tensor):
            args = (features, *args[1:])
        else:
            name = next(name for name, value in kwargs.items() if isinstance(value, Tensor))
            kwargs[name] = features
        returned = self.layer.module(*args, **kwargs)
        return _whole(self.layer, returned, features.shape, self.units)


def _whole(layer: WeightLayer, returned: Any, entering: torch.Size, units: int) -> Tensor | None:
    """All outputs as samples × channels × axes, or rows × units."""
    tensors = [x.detach() for x in tree_leaves(returned) if isinstance(x, Tensor)]
    axes = layer.spatial_axes
    with contextlib.suppress(RuntimeError, IndexError):
        if axes:
            both = torch.cat(tensors, -1 - axes)
            both = both if both.ndim > axes + 1 else both[None]
            return both if both.shape[:2] == (entering[0], units) else None
        leading = entering[:-1]
        both = torch.cat([x.reshape(*leading, -1) for x in tensors], -1)
        return both.reshape(-1, units) if both.shape[-1] == units else None
    return None


def _spread(count: int, wanted: int) -> Tensor:
    """Numbers below a count, the first and the last among them, without a common period."""
    if count <= wanted:
        return torch.arange(count)
    middle = (torch.arange(1, wanted - 1) * 0.6180339887 % 1 * count).long()
    return torch.cat([torch.tensor([0]), middle, torch.tensor([count - 1])])


def spread_positions(sizes: tuple[int, ...], wanted: int) -> Iterator[tuple[int, ...]]:
    """Positions in a grid, the first and the last corner among them."""
    count = math.prod(sizes)
    for flat in _spread(count, wanted).tolist():
        place = []
        for size in reversed(sizes):
            flat, rest = divmod(flat, size)
            place.append(rest)
        yield tuple(reversed(place))
