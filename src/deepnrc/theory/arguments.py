"""Checks of the arguments that the functions of the theory share, one message each."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.support.text import counted

__all__ = ["MatrixLike", "at_least", "layer_penalties", "matrix", "penalty"]

MatrixLike = Tensor | np.ndarray | Sequence[Any]


def matrix(
    values: MatrixLike, name: str, *, rows: int | None = None, columns: int | None = None
) -> Tensor:
    """A finite float64 matrix on the CPU with at least one entry; a vector becomes a column.

    Raises:
        ArgumentError: It is no such matrix, or has another number of rows or columns than asked.
    """
    try:
        # The type is given here: a list of Python floats would pass through float32.
        result = torch.as_tensor(values, dtype=torch.float64, device="cpu").detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{name} must be a matrix of numbers: {error}") from None
    if result.ndim == 1:
        result = result.unsqueeze(1)
    if result.ndim != 2 or result.numel() == 0:
        raise ArgumentError(
            f"{name} must be a matrix with at least one row and column; got shape "
            f"{tuple(result.shape)}"
        )
    for axis, count, noun in ((0, rows, "row"), (1, columns, "column")):
        if count not in (None, result.shape[axis]):
            got = tuple(result.shape)
            raise ArgumentError(f"{name} must have {counted(count, noun)}; got shape {got}")
    if not bool(torch.isfinite(result).all()):
        raise ArgumentError(f"{name} must be finite; it holds NaN or infinity")
    return result


def penalty(value: float, name: str, *, positive: bool = False, finite: bool = False) -> float:
    """A number from 0 to infinity: a penalty, c, or an error.

    Raises:
        ArgumentError: It is negative or NaN, or, where that is asked, 0 or infinite.
    """
    if not value >= 0 or (positive and value == 0) or (finite and value == math.inf):
        wanted = ("positive" if positive else "0 or positive") + (" and finite" if finite else "")
        advice = ""
        if value == 0:
            advice = (
                ": without a penalty a factor grows without bound or is not determined; pass a "
                "small one, such as 1e-12, for the limit"
            )
        raise ArgumentError(f"{name} must be {wanted}; got {value:g}{advice}")
    return float(value)


def layer_penalties(
    lambdas: Iterable[float], lambda_h: float, *, finite: bool = False
) -> tuple[tuple[float, ...], float]:
    """The penalties of W_1 to W_L and of H of the deep model, all positive.

    Raises:
        ArgumentError: There is no weight, or a penalty is not a positive number.
    """
    rule = {"positive": True, "finite": finite}
    weights = tuple(penalty(value, f"lambdas[{i}]", **rule) for i, value in enumerate(lambdas))
    if not weights:
        raise ArgumentError("lambdas must hold the penalty of every weight from W_1 to W_L; got 0")
    return weights, penalty(lambda_h, "lambda_h", **rule)


def at_least(least: int, **counts: int | None) -> None:
    """Check counts by name.

    Raises:
        ArgumentError: A count is missing or below the least one.
    """
    for name, value in counts.items():
        if value is None or value < least:
            raise ArgumentError(f"{name} must be at least {least}; got {value}")
