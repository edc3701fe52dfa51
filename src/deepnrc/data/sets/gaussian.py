"""Gaussian inputs with a given covariance."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError

__all__ = ["covariance_root", "gaussian_inputs"]


def gaussian_inputs(
    samples: int, dim: int, root: Tensor | None, generator: torch.Generator
) -> Tensor:
    """N × d, float32, mean 0, covariance ``root @ root``; the identity if `root` is None."""
    standard = torch.randn(samples, dim, generator=generator)
    return standard if root is None else (standard.double() @ root).float()


def covariance_root(
    covariance: Tensor | Sequence[float] | None, dim: int
) -> tuple[Tensor | None, int]:
    """The symmetric square root of a covariance and its rank; None for the identity.

    Args:
        covariance: d × d, symmetric and positive semidefinite, or its d eigenvalues, which then
            belong to the coordinates. None is the identity.
        dim: Number of inputs, d.

    Raises:
        ArgumentError: It is not a covariance of d inputs.
    """
    if covariance is None:
        return None, dim
    matrix = torch.as_tensor(covariance, dtype=torch.float64)
    if matrix.ndim == 1:
        matrix = torch.diag(matrix)
    if matrix.shape != (dim, dim):
        raise ArgumentError(
            f"covariance must be a {dim} × {dim} matrix or {dim} eigenvalues for input_dim = "
            f"{dim}; got shape {tuple(torch.as_tensor(covariance).shape)}"
        )
    scale = float(matrix.abs().max())
    symmetric = bool(((matrix - matrix.T).abs() <= 1e-10 * scale).all())  # also False for NaN
    values, vectors = (
        torch.linalg.eigh((matrix + matrix.T) / 2) if symmetric else (matrix[0], matrix)
    )
    # Rounding leaves the zero eigenvalues of a singular covariance at about ±1e-16 of the largest.
    if not symmetric or scale == 0.0 or bool((values < -1e-10 * scale).any()):
        raise ArgumentError(
            "covariance must be a symmetric, positive semidefinite matrix other than 0, or "
            "eigenvalues of at least 0"
        )
    values = values.where(values > 1e-10 * scale, 0.0)
    return vectors * values.sqrt() @ vectors.T, int((values > 0.0).sum())
