"""Feature rows of an activation: one for each sample, or one for each position."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError, LayerError
from deepnrc.support.undefined import Undefined

__all__ = [
    "Reduce",
    "Rows",
    "axes_of_positions",
    "check_owners",
    "check_reduce",
    "custom_rows",
    "reduced_rows",
]

Reduce = str | int | Callable[..., Any]
"""What ``reduce=`` takes: a rule's name, a position, or a function.

The function is called with (layer name, activation), or with (layer name, activation, batch), and
returns the rows, or (rows, number of the sample of each row).
"""

_RULES = ("mean", "first", "last", "samples")


@dataclass(frozen=True)
class Rows:
    """Features of a layer.

    Attributes:
        values: n × d.
        samples: Number of the sample of each row within the batch, n; None: row i is sample i.
        positions: Number of the position of each row within its sample; None: there is one.
        grid: Sizes of the axes of positions, of which ``positions`` counts the cells.
    """

    values: Tensor
    samples: Tensor | None = None
    positions: Tensor | None = None
    grid: tuple[int, ...] = ()


def axes_of_positions(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes without axes of one position, which models add and drop at will."""
    return tuple(size for size in sizes if size != 1)


def check_reduce(reduce: Reduce) -> None:
    """Check a reduction rule.

    Raises:
        ArgumentError: ``reduce`` is not the name of a rule, a position or a function.
    """
    known = (isinstance(reduce, str) and reduce in _RULES) or callable(reduce)
    if not known and (isinstance(reduce, bool) or not isinstance(reduce, int)):
        raise ArgumentError(
            f"reduce must be one of {', '.join(map(repr, _RULES))}, a position, or a function of "
            f"(layer name, activation); got {reduce!r}"
        )


def custom_rows(
    reduce: Callable[..., Any], name: str, activation: Tensor, feature_dim: int, batch: Any
) -> Rows:
    """Rows that a user's function makes of an activation.

    Args:
        reduce: See `Reduce`.
        name: Of the layer.
        activation: As it enters the layer.
        feature_dim: d.
        batch: As the loader gave it, for functions of three arguments.

    Raises:
        LayerError: It returned something else than rows of d features.
    """
    made = reduce(name, activation, batch) if _takes_three(reduce) else reduce(name, activation)
    rows, samples = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(rows, Tensor) or rows.ndim != 2 or rows.shape[1] != feature_dim:
        got = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
        raise LayerError(
            f"layer '{name}': reduce= must return a (rows, {feature_dim}) tensor; got {got}"
        )
    if samples is not None:
        samples = torch.as_tensor(samples)
        samples = samples if samples.numel() else samples.long()  # an empty list is of floats
        whole = not (samples.is_floating_point() or samples.dtype == torch.bool)
        if samples.shape != rows.shape[:1] or not whole:
            raise LayerError(
                f"layer '{name}': reduce= must return the number of the sample of each of its "
                f"{len(rows)} rows; got {tuple(samples.shape)} of {samples.dtype}"
            )
    return Rows(rows, samples)


def check_owners(rows: Rows, count: int, layer: str) -> None:
    """Check that rows are of the batch's samples.

    Args:
        rows: Made by a user's function.
        count: Samples of the batch.
        layer: Name, for the message.

    Raises:
        LayerError: The number of a sample is none of the batch's.
    """
    if rows.samples is None or not len(rows.samples):
        return
    low, high = int(rows.samples.min()), int(rows.samples.max())
    if low < 0 or high >= count:
        raise LayerError(
            f"layer '{layer}': reduce= must return numbers of samples from 0 to {count - 1}, "
            f"counted within the batch; got {low if low < 0 else high}"
        )


def _takes_three(reduce: Callable[..., Any]) -> bool:
    try:
        inspect.signature(reduce).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def reduced_rows(
    features: Tensor, reduce: str | int, *, spatial: bool, mask: Tensor | None = None
) -> Rows | Undefined:
    """Rows of features by a rule.

    Args:
        features: Samples × positions … × d.
        reduce: ``"mean"`` over the positions; ``"first"``, ``"last"`` or a number: this position;
            ``"samples"``: each position is a row.
        spatial: Whether the positions are those of a convolution, which has no first one: all
            rules but ``"samples"`` take the mean.
        mask: Samples × positions, true for those that count; None: all.

    Returns:
        The rows; half precision is averaged in float32.
    """
    grid = tuple(features.shape[1:-1])
    if not grid:
        return Rows(features)
    if mask is None and (reduce == "mean" or spatial) and reduce != "samples":
        dtype = torch.promote_types(features.dtype, torch.float32)
        return Rows(features.mean(tuple(range(1, features.ndim - 1)), dtype=dtype))
    flat = features.flatten(1, -2)
    if reduce == "samples":
        count, positions = flat.shape[:2]
        kept = torch.ones(count, positions, dtype=torch.bool) if mask is None else mask.cpu()
        samples, numbers = torch.nonzero(kept, as_tuple=True)
        rows = flat.flatten(0, 1) if mask is None else flat[mask]
        return Rows(rows, samples, numbers, grid)
    if mask is not None and (reduce == "mean" or spatial):
        return Rows(_mean(flat, mask))
    index = {"first": 0, "last": -1}[reduce] if isinstance(reduce, str) else int(reduce)
    if not -flat.shape[1] <= index < flat.shape[1]:
        return Undefined(
            f"reduce must be one of the {flat.shape[1]} positions of its input; got {index}: count "
            "from 0, or from -1 backwards"
        )
    return Rows(flat[:, index] if mask is None else flat[_masked_position(mask, index)])


def _mean(flat: Tensor, mask: Tensor) -> Tensor:
    dtype = torch.promote_types(flat.dtype, torch.float32)
    # What is padded may hold anything, also NaN: it is left out, not multiplied by 0.
    kept = torch.where(mask[..., None], flat, torch.zeros((), dtype=flat.dtype, device=flat.device))
    return kept.sum(1, dtype=dtype) / mask.sum(1, keepdim=True).clamp(min=1)


def _masked_position(mask: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Where the index-th unmasked position of each sample is; the nearest where it has fewer."""
    order = torch.argsort(~mask, dim=1, stable=True)  # positions that count come first
    counts = mask.sum(1)
    wanted = (counts + index if index < 0 else torch.full_like(counts, index)).clamp(min=0)
    wanted = torch.minimum(wanted, (counts - 1).clamp(min=0))
    samples = torch.arange(len(mask), device=mask.device)
    return samples, order[samples, wanted]
