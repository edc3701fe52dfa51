"""How targets with further axes are read: which axis is the target dimension, which positions.

Shapes alone do not tell: (samples, 12) are twelve targets of each sample or one of each of its
twelve positions, and (samples, 3, 12) may have its channels first. What fits is asked of the layers
(how many positions a sample has there), of the predictions (their shape) and of the deepest layer
before them (its number of outputs). Where that does not tell either, the user says it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from deepnrc.errors import ArgumentError, DataError
from deepnrc.support.text import sizes

__all__ = ["Reading", "Shown", "choose_reading", "plain_reading"]


@dataclass(frozen=True)
class Reading:
    """How targets are read.

    Attributes:
        axis: Of the target dimension, in targets as they are given; None: there is none, t = 1.
        per_position: Whether the axes between the samples and it are positions.
        samples_first: Whether the first axis of the predictions may hold the samples.
    """

    axis: int | None
    per_position: bool
    samples_first: bool = True

    def arranged(self, given: Any) -> Any:
        """Targets, or what has their axes, with the target dimension last."""
        if not self.per_position:
            return given
        if not isinstance(given, Tensor):
            given = np.asarray(given)
        if self.axis is None:
            return given[..., None]
        return (
            given.movedim(self.axis, -1)
            if isinstance(given, Tensor)
            else np.moveaxis(given, self.axis, -1)
        )

    def grid(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes of the axes of positions of targets of a shape."""
        if not self.per_position:
            return ()
        return tuple(n for i, n in enumerate(shape) if i not in (0, self.axis))

    def dim(self, shape: tuple[int, ...]) -> int:
        """t of targets of a shape."""
        return 1 if self.axis is None or self.axis >= len(shape) else shape[self.axis]

    def described(self, shape: tuple[int, ...]) -> str:
        """What it makes of targets of a shape, and how to choose it."""
        if not self.per_position:
            return f"{self.dim(shape)} targets of each sample (pass target_dim_axis=1)"
        grid = sizes(self.grid(shape))
        if self.axis is None:
            wanted = ", ".join(map(str, shape))
            return f"one target of each of {grid} positions (shape the targets ({wanted}, 1))"
        return (
            f"{self.dim(shape)} targets of each of {grid} positions (pass "
            f"target_dim_axis={self.axis})"
        )


@dataclass(frozen=True)
class Shown:
    """What is known of a head when its targets are to be read.

    Attributes:
        predictions: Shape of the model's predictions for a part of the batch; None where they are
            no tensor.
        samples: In that part.
        outputs: Of the deepest layer before the predictions; None where there are several such.
        sizes: Of the axes of what enters the layers on its path, for a part of the batch.
        grids: Positions of a sample at each layer on its path; takes a forward pass to find out.
    """

    predictions: tuple[int, ...] | None
    samples: int
    outputs: int | None
    sizes: frozenset[int]
    grids: Callable[[], Mapping[str, frozenset[tuple[int, ...]]]] = field(default=dict)


def plain_reading(shape: tuple[int, ...], *, per_position: bool, axis: int | None) -> Reading:
    """The reading where nothing is known but the options.

    Args:
        shape: Of the targets.
        per_position: Whether positions are samples.
        axis: Asked for; None: the last.

    Raises:
        ArgumentError: ``axis`` is none of the targets'.
    """
    count = len(shape)
    if axis is not None and (not -count < axis < count or axis == 0 or count < 2):
        raise ArgumentError(
            f"target_dim_axis must be an axis of the targets after that of the samples; got {axis} "
            f"for targets of shape {shape}: pass a number from 1 to {max(count - 1, 1)}, or leave "
            "it out"
        )
    return Reading((axis or -1) % count if count > 1 else 1, per_position and count > 2)


def choose_reading(
    shape: tuple[int, ...], shown: Shown, *, axis: int | None, labels: bool, samples: bool
) -> Reading:
    """The reading of a batch's targets that the evidence leaves.

    Args:
        shape: Of the targets.
        shown: What is known.
        axis: ``target_dim_axis``.
        labels: Whether they are classes, so that one of each position is a label.
        samples: Whether positions are samples, ``reduce="samples"``.

    Raises:
        ArgumentError: ``axis`` is none of the targets'.
        DataError: Several readings fit; the message shows them and how to choose.
    """
    default = plain_reading(shape, per_position=samples, axis=axis)
    if not samples or len(shape) < 2:
        return default
    chosen = default if axis is not None else _chosen(shape, shown, default, labels=labels)
    cells = math.prod((shown.samples, *chosen.grid(shape)))
    first = None if shown.predictions is None else shown.predictions[0]
    return replace(chosen, samples_first=first in (None, shown.samples, cells))


def _chosen(shape: tuple[int, ...], shown: Shown, default: Reading, *, labels: bool) -> Reading:
    others = [Reading(None, True), *([Reading(1, True)] if len(shape) > 2 else [])]
    possible = [x for x in others if set(x.grid(shape)) <= shown.sizes and x.grid(shape) != (1,)]
    if not possible:
        return default
    grids = shown.grids()
    found = frozenset(grid for of_layer in grids.values() for grid in of_layer)
    fits = [x for x in (default, *possible) if not x.per_position or x.grid(shape) in found]
    fits = [x for x in fits if _predicted(x, shape, shown, labels=labels)] or fits
    fits = [x for x in fits if labels or x.dim(shape) == shown.outputs] or fits
    if not fits or fits == [default]:
        return default
    if len(fits) > 1:
        raise DataError(
            f"targets of shape {shape} can be read in more than one way with reduce='samples': "
            f"{'; or '.join(x.described(shape) for x in fits)}"
        )
    if fits[0].axis is None:
        return fits[0]
    name = next(name for name, of_layer in grids.items() if fits[0].grid(shape) in of_layer)
    raise DataError(
        f"targets of shape {shape} do not fit with their last axis as the target dimension "
        f"('{name}': it has {sizes(fits[0].grid(shape))} positions, the targets "
        f"{sizes(default.grid(shape))}): pass target_dim_axis={fits[0].axis} if axis "
        f"{fits[0].axis} is the target dimension"
    )


def _predicted(reading: Reading, shape: tuple[int, ...], shown: Shown, *, labels: bool) -> bool:
    """Whether the predictions have the shape of those of the targets so read."""
    if shown.predictions is None or shown.predictions[0] != shown.samples:
        return False
    predictions, rest = shown.predictions[1:], shape[1:]
    if labels and reading.axis is None:  # scores of each class
        return len(predictions) == len(rest) + 1 and predictions[:-1] == rest
    if predictions == rest:
        return True
    if not reading.per_position:  # one row for each position, of any number
        return len(predictions) > 1 and predictions[-1:] == rest
    if reading.axis is None:
        return predictions in ((*rest, 1), (1, *rest))
    return predictions == (*reading.grid(shape), reading.dim(shape))
