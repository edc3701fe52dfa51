"""Spectra of covariances and of weights.

All in float64, of covariances (d × d) and weights (p × d): never of N × d features.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = [
    "SMALLEST_SQUARE",
    "Spectrum",
    "numerical_rank",
    "right_spectrum",
    "symmetric_spectrum",
    "unit_spectrum",
]

SMALLEST_SQUARE = 1e-304
"""The least square that has all digits of float64."""

# Eigenvectors of WᵀW are accurate to eps over the ratio of its eigenvalues: to 1e-11 at this
# ratio. Below it the slower SVD of W itself is used.
_SQUARED_RATIO_LIMIT = 1e-5
_SQUARED_ZERO_LIMIT = 1e-12  # below this ratio, rounding decides whether a value is 0


@dataclass(frozen=True)
class Spectrum:
    """Non-negative values in descending order and their orthonormal directions.

    Attributes:
        values: r eigenvalues (of a covariance) or singular values (of a weight).
        vectors: d × r, column i belongs to value i.
    """

    values: Float64[Tensor, " r"]
    vectors: Float64[Tensor, "d r"]

    def top(self, k: int) -> Float64[Tensor, "d k"]:
        """Basis of the leading k-dimensional subspace, d × k."""
        return self.vectors[:, :k]


def symmetric_spectrum(matrix: Float64[Tensor, "d d"]) -> Spectrum:
    """Eigenvalues and eigenvectors of a positive semi-definite matrix, largest first.

    Coordinates with a zero diagonal (dead units) are left out of the decomposition, which is exact
    for a positive semi-definite matrix and makes collapsed ReLU layers several times cheaper.
    Eigenvalues that are negative by rounding are returned as 0.

    Args:
        matrix: Symmetric, d × d.

    Returns:
        All d eigenvalues and eigenvectors.
    """
    size = matrix.shape[0]
    live = torch.nonzero(matrix.diagonal() > 0).flatten()
    if live.numel() == size:
        values, vectors = torch.linalg.eigh(matrix)
        return Spectrum(values.flip(0).clamp(min=0), vectors.flip(1))
    dead = torch.nonzero(~(matrix.diagonal() > 0)).flatten()
    values, block = torch.linalg.eigh(matrix[live][:, live])
    all_values = torch.zeros(size, dtype=matrix.dtype)
    all_values[: live.numel()] = values.flip(0).clamp(min=0)
    vectors = torch.zeros_like(matrix)
    vectors[live, : live.numel()] = block.flip(1)
    vectors[dead, torch.arange(live.numel(), size)] = 1.0
    return Spectrum(all_values, vectors)


def unit_spectrum(matrix: Float64[Tensor, "d d"]) -> Spectrum:
    """Spectrum of a second moment in units that make its diagonal 1.

    0 where nothing varies, or so little that squares underflow.
    """
    diagonal = matrix.diagonal()
    scale = torch.where(diagonal > SMALLEST_SQUARE, diagonal.rsqrt(), 0.0)
    return symmetric_spectrum(scale[:, None] * matrix * scale)


def right_spectrum(weight: Float64[Tensor, "p d"], *, leading: int = 1) -> Spectrum:
    """Singular values and right singular vectors of a weight: its directions in feature space.

    From the eigenvectors of WᵀW, which is about twice as fast as an SVD; from the SVD where the
    squared values cannot resolve the smallest, and where the weight is small or has p < d.

    Args:
        weight: p × d; it takes features in R^d.
        leading: Directions that must be accurate, at least 64.

    Returns:
        min(p, d) singular values and right singular vectors (d × min(p, d)). Vectors of zero
        singular values are arbitrary.
    """
    rows, columns = weight.shape
    leading = max(leading, 64)
    if rows < columns or min(rows, columns) <= leading:
        _, values, vectors = torch.linalg.svd(weight, full_matrices=False)
        return Spectrum(values, vectors.T)
    squared = symmetric_spectrum(weight.T @ weight)
    largest = squared.values[0]
    exact = squared.values[:leading] >= _SQUARED_RATIO_LIMIT * largest
    apart_from_zero = (squared.values == 0) | (squared.values > _SQUARED_ZERO_LIMIT * largest)
    if not bool(exact.all() & apart_from_zero.all()):
        _, values, vectors = torch.linalg.svd(weight, full_matrices=False)
        return Spectrum(values, vectors.T)
    return Spectrum(squared.values.sqrt(), squared.vectors)


def numerical_rank(values: Float64[Tensor, " r"], *, rtol: float) -> int:
    """How many values exceed ``rtol`` times the largest; 0 when all are 0."""
    if values.numel() == 0 or not bool(values[0] > 0):
        return 0
    return int((values > rtol * values[0]).sum())
