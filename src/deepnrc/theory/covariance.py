"""The target covariance that every formula of the theory starts from, checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.linalg.spectra import Spectrum, symmetric_spectrum

__all__ = [
    "MatrixLike",
    "covariance_spectrum",
    "covariance_tolerance",
    "matrix",
    "penalty",
    "square_matrix",
    "target_moments",
]

MatrixLike = Tensor | np.ndarray | Sequence[Any]

# Beyond this, relative to the largest entry, a matrix is not a covariance that rounding touched.
_RTOL = 1e-8


def target_moments(targets: MatrixLike) -> tuple[Tensor, Tensor]:
    """Mean and covariance of targets, as the theory takes them (divided by N, not N − 1).

    Args:
        targets: N × t, or N for one target.

    Returns:
        The mean (t) and Σ_Y (t × t), float64.

    Raises:
        ArgumentError: Not a matrix with a row, or NaN or infinity in it.
    """
    rows = matrix(targets, "targets")
    mean = rows.mean(dim=0)
    centred = rows - mean
    return mean, centred.T @ centred / len(rows)


def matrix(values: MatrixLike, name: str) -> Tensor:
    """A finite float64 matrix on the CPU with at least one entry; a vector becomes a column."""
    try:
        # The type is given here: a list of Python floats would pass through float32.
        result = torch.as_tensor(values, dtype=torch.float64, device="cpu").detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{name} must be a matrix of numbers; {error}") from None
    if result.ndim == 1:
        result = result.unsqueeze(1)
    if result.ndim != 2 or result.numel() == 0:
        raise ArgumentError(
            f"{name} must be a matrix with at least one row and column, got shape "
            f"{tuple(result.shape)}"
        )
    if not bool(torch.isfinite(result).all()):
        raise ArgumentError(f"{name} must be finite; NaN or infinity stands in it")
    return result


def square_matrix(values: MatrixLike, name: str) -> Tensor:
    """A finite symmetric matrix, made exactly symmetric.

    Raises:
        ArgumentError: Not square, not symmetric (beyond rounding), or not finite.
    """
    result = matrix(values, name)
    rows, columns = result.shape
    if rows != columns:
        raise ArgumentError(f"{name} must be square (t × t), got {rows} × {columns}")
    gap = float((result - result.T).abs().max())
    if gap > _RTOL * float(result.abs().max()):
        i, j = divmod(int((result - result.T).abs().argmax()), columns)
        raise ArgumentError(
            f"{name} must be symmetric, but entry ({i}, {j}) is {float(result[i, j]):.6g} and "
            f"({j}, {i}) is {float(result[j, i]):.6g}; if only rounding separates them, pass "
            "(S + S.T)/2"
        )
    return (result + result.T) / 2


def covariance_spectrum(covariance: Tensor, name: str) -> Spectrum:
    """Eigenvalues s_1 ≥ … ≥ s_t ≥ 0 and eigenvectors of a symmetric matrix from `square_matrix`.

    Raises:
        ArgumentError: An eigenvalue is negative beyond rounding.
    """
    smallest = float(torch.linalg.eigvalsh(covariance)[0])
    if smallest < -_RTOL * float(covariance.abs().max()):
        raise ArgumentError(
            f"{name} must be a covariance (positive semi-definite), but its smallest eigenvalue is "
            f"{smallest:.6g}"
        )
    return symmetric_spectrum(covariance)


def covariance_tolerance(eigenvalues: Tensor) -> float:
    """How far rounding moves an eigenvalue: differences below it are none."""
    return eigenvalues.numel() * torch.finfo(torch.float64).eps * float(eigenvalues.max())


def penalty(value: float, name: str) -> float:
    """A penalty or c: a number from 0 to infinity.

    Raises:
        ArgumentError: Negative or NaN.
    """
    if not value >= 0:
        raise ArgumentError(
            f"{name} must be 0 or positive, got {value}; the objective has no minimum otherwise"
        )
    return float(value)
