"""The target covariance that every formula of the theory starts from."""

import math

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.linalg.spectra import Spectrum, symmetric_spectrum
from deepnrc.theory.arguments import MatrixLike, matrix

__all__ = [
    "covariance_spectrum",
    "rounding",
    "target_moments",
    "target_rounding",
    "targets_with_covariance",
    "unfitted",
]

# How many units in the last place a stored target may be off: it was computed, then rounded.
_UNITS = 4
# Beyond this, relative to the largest entry, a matrix is not a covariance up to rounding.
_RTOL = 1e-8


def target_moments(targets: MatrixLike) -> tuple[Tensor, Tensor]:
    """Mean and covariance of targets, as the theory takes them (divided by N, not N − 1).

    Args:
        targets: N × t, or N for one target.

    Returns:
        The mean (t) and Σ_Y (t × t), float64.

    Raises:
        ArgumentError: The targets are no matrix with a row, or hold NaN or infinity.
    """
    rows = matrix(targets, "targets")
    mean = rows.mean(dim=0)
    centred = rows - mean
    return mean, centred.T @ centred / len(rows)


def target_rounding(targets: MatrixLike) -> float:
    """Variance that rounding to the targets' own type can give to any one direction.

    A bound: the sum over the targets of their mean squares, times (4 eps)² of the type they are
    stored in. A smaller eigenvalue of Σ_Y says nothing about the targets.

    Args:
        targets: N × t, or N for one target.

    Returns:
        In the targets' squared units, at least 0.

    Raises:
        ArgumentError: The targets are no matrix with a row, or hold NaN or infinity.
    """
    rows = matrix(targets, "targets")
    kind = torch.as_tensor(targets).dtype
    eps = torch.finfo(kind if kind.is_floating_point else torch.float64).eps
    return float((_UNITS * eps) ** 2 * rows.square().mean(dim=0).sum())


def targets_with_covariance(
    target_covariance: MatrixLike, *, target_mean: MatrixLike | None = None
) -> Tensor:
    """2t rows of targets, symmetric about their mean, with exactly this covariance.

    Args:
        target_covariance: Σ_Y, t × t.
        target_mean: Length t; default 0.

    Returns:
        Y, 2t × t: mean ± √t times each column of Σ_Y^{1/2}.

    Raises:
        ArgumentError: The matrix is not a covariance.
    """
    covariance, spectrum = covariance_spectrum(target_covariance)
    root = math.sqrt(len(covariance)) * (spectrum.vectors * spectrum.values.sqrt()).T
    rows = torch.cat([root, -root])
    return rows if target_mean is None else rows + matrix(target_mean, "target_mean").flatten()


def covariance_spectrum(
    values: MatrixLike, name: str = "target_covariance"
) -> tuple[Tensor, Spectrum]:
    """A covariance made exactly symmetric, and its eigenvalues s_1 ≥ … ≥ s_t ≥ 0 and eigenvectors.

    Raises:
        ArgumentError: The matrix is not square or not finite, or, beyond rounding, not symmetric or
            not positive semi-definite.
    """
    given = matrix(values, name)
    rows, columns = given.shape
    if rows != columns:
        raise ArgumentError(f"{name} must be square (t × t); got {rows} × {columns}")
    gap = (given - given.T).abs()
    if float(gap.max()) > _RTOL * float(given.abs().max()):
        i, j = divmod(int(gap.argmax()), columns)
        raise ArgumentError(
            f"{name} must be symmetric; got {float(given[i, j]):.6g} at ({i}, {j}) and "
            f"{float(given[j, i]):.6g} at ({j}, {i}): if only rounding separates them, pass "
            "(S + S.T)/2"
        )
    covariance = (given + given.T) / 2
    smallest = float(torch.linalg.eigvalsh(covariance)[0])
    if smallest < -_RTOL * float(covariance.abs().max()):
        raise ArgumentError(
            f"{name} must be a covariance (positive semi-definite); got a matrix with the "
            f"eigenvalue {smallest:.6g}"
        )
    return covariance, symmetric_spectrum(covariance)


def rounding(eigenvalues: Tensor) -> float:
    """How far rounding moves an eigenvalue: smaller differences mean nothing."""
    return eigenvalues.numel() * torch.finfo(torch.float64).eps * float(eigenvalues.max())


def unfitted(spectrum: Spectrum, c: float) -> Tensor:
    """U diag(min(c, s)) Uᵀ, the covariance of what the optimum leaves of Σ_Y."""
    return (spectrum.vectors * spectrum.values.clamp(max=c)) @ spectrum.vectors.T
