"""Feature rows of an activation: one for each sample, or one for each position."""

from collections.abc import Callable

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError, LayerError

__all__ = ["Reduce", "check_reduce", "feature_rows"]

Reduce = str | int | Callable[[str, Tensor], Tensor]
"""What ``reduce=`` takes: a rule's name, a position, or (layer name, activation) → rows."""

_RULES = ("mean", "first", "last", "samples")


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


def feature_rows(
    name: str, activation: Tensor, *, feature_dim: int, spatial_axes: int, reduce: Reduce
) -> Tensor:
    """Feature rows, n × d, from the activation that enters a layer.

    Args:
        name: Of the layer, for messages and for a reduction function.
        activation: For a linear layer (samples, positions …, d); for a convolution
            (samples, d, spatial …).
        feature_dim: d.
        spatial_axes: Spatial axes of a convolution's input, 0 for a linear layer.
        reduce: ``"mean"`` over the positions (global average for a convolution); ``"first"``,
            ``"last"`` or a number: this position of a linear layer's input, and the mean for a
            convolution; ``"samples"``: each position is a row, sample by sample.

    Returns:
        n × d; half precision is averaged in float32.

    Raises:
        LayerError: The activation, or what a reduction function returned, is of the wrong shape.
    """
    if callable(reduce):
        rows = reduce(name, activation)
        if not isinstance(rows, Tensor) or rows.ndim != 2 or rows.shape[1] != feature_dim:
            got = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
            raise LayerError(
                f"layer '{name}': reduce= must return a (rows, {feature_dim}) tensor; got {got}"
            )
        return rows
    _check_width(name, activation, feature_dim, spatial_axes)
    if spatial_axes:
        if activation.ndim == spatial_axes + 1:  # a single sample, without the sample axis
            activation = activation[None]
        if reduce == "samples":
            return activation.flatten(2).transpose(1, 2).reshape(-1, feature_dim)
        return _mean(activation, tuple(range(2, activation.ndim)))
    if activation.ndim == 1:
        return activation[None]
    if activation.ndim == 2:
        return activation
    if reduce == "samples":
        return activation.reshape(-1, feature_dim)
    if reduce == "mean":
        return _mean(activation, tuple(range(1, activation.ndim - 1)))
    positions = activation.flatten(1, -2)
    index = {"first": 0, "last": -1}[reduce] if isinstance(reduce, str) else reduce
    if not -positions.shape[1] <= index < positions.shape[1]:
        raise LayerError(
            f"layer '{name}': reduce must be one of the {positions.shape[1]} positions of its "
            f"input; got {index}: count from 0, or from -1 backwards"
        )
    return positions[:, index]


def _check_width(name: str, activation: Tensor, feature_dim: int, spatial_axes: int) -> None:
    axis = -1 - spatial_axes
    fits = activation.ndim >= -axis and activation.shape[axis] == feature_dim
    if not fits or (spatial_axes and activation.ndim > spatial_axes + 2):
        what = f"{feature_dim} channels before {spatial_axes} spatial axes"
        raise LayerError(
            f"layer '{name}' takes {what if spatial_axes else f'{feature_dim} features'}; got an "
            f"input of shape {tuple(activation.shape)}: check what the loader yields"
        )


def _mean(activation: Tensor, axes: tuple[int, ...]) -> Tensor:
    dtype = torch.promote_types(activation.dtype, torch.float32)
    return activation.mean(axes, dtype=dtype)
