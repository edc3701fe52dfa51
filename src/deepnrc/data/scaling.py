"""Shift and scale columns by what the train part shows, and back."""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.data.source import Scaling
from deepnrc.errors import ArgumentError, DeepNRCWarning

__all__ = ["Scaler", "fit_scaler"]


@dataclass(frozen=True, eq=False)
class Scaler:
    """A shift and a scale per column.

    Attributes:
        mean: Subtracted first, in the column's unit, float64: the train part's mean, or its
            minimum where values are scaled to [0, 1].
        scale: The divisor after that, in the column's unit, positive, float64: the train part's
            standard deviation (divisor n), or its range.

    Example:
        >>> scaler = Scaler(mean=torch.tensor([10.0]), scale=torch.tensor([2.0]))
        >>> scaler.apply(torch.tensor([[14.0]]))
        tensor([[2.]])
        >>> scaler.invert(torch.tensor([[2.0]]))
        tensor([[14.]])
    """

    mean: Float[Tensor, " columns"]
    scale: Float[Tensor, " columns"]

    def apply(self, values: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
        """Scaled values, with the type and device of `values`, which are in the columns' units.

        Raises:
            ArgumentError: The number of columns is not the scaler's.
        """
        mean, scale = self._on_device_of(values)
        # In float64: with a mean far from 0, float32 would lose the small differences of values.
        return ((values.double() - mean) / scale).to(values.dtype)

    def invert(self, values: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
        """Scaled values in the columns' own units again; same type and device as `values`.

        Raises:
            ArgumentError: The number of columns is not the scaler's.
        """
        mean, scale = self._on_device_of(values)
        return (values.double() * scale + mean).to(values.dtype)

    def _on_device_of(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if values.shape[1] != len(self.mean):  # a single column would be broadcast silently
            raise ArgumentError(
                f"values must have {len(self.mean)} columns as the scaler was fitted on; got "
                f"{values.shape[1]}: pass the matrix that belongs to this scaler"
            )
        return self.mean.to(values.device), self.scale.to(values.device)


def fit_scaler(name: str, values: Tensor, scaling: Scaling) -> Scaler:
    """The scaler that brings each column of train values to mean 0 and deviation 1, or to [0, 1].

    Args:
        name: What the values are, for the warning.
        values: (n, c), floating point, finite.
        scaling: ``"none"`` gives the scaler that changes nothing.

    Warns:
        DeepNRCWarning: Columns are constant; they keep scale 1. The message names them.
    """
    values = values.double()
    if scaling == "none":
        return Scaler(mean=torch.zeros_like(values[0]), scale=torch.ones_like(values[0]))
    # Not "deviation is 0": rounding in the mean gives a constant column a tiny deviation.
    constant = (values == values[0]).all(dim=0)
    if constant.any():
        columns = ", ".join(str(i) for i in constant.nonzero().flatten().tolist())
        measure = "standard deviation" if scaling == "standard" else "range"
        warnings.warn(
            f"{name}: constant on the train part in column(s) {columns}, counted from 0; scaled "
            f"by 1 instead of the {measure}. Leave them out if they carry no information",
            DeepNRCWarning,
            stacklevel=3,
        )
    if scaling == "minmax":
        low, high = values.aminmax(dim=0)
        return Scaler(mean=low, scale=torch.where(constant, 1.0, high - low))
    # A constant column's own value is its exact mean, so that it becomes exactly 0.
    mean = torch.where(constant, values[0], values.mean(dim=0))
    deviation = (values - mean).square().mean(dim=0).sqrt()
    return Scaler(mean=mean, scale=torch.where(constant, 1.0, deviation))
