"""Principal angles between subspaces."""

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["principal_cosines"]


def principal_cosines(
    first: Float64[Tensor, "d a"], second: Float64[Tensor, "d b"]
) -> Float64[Tensor, " c"]:
    """Cosines of the principal angles between two subspaces, largest first, in [0, 1].

    Args:
        first: Orthonormal basis, d × a.
        second: Orthonormal basis, d × b.

    Returns:
        min(a, b) cosines; 1 is a shared direction, 0 an orthogonal one.

    References:
        [BG73] Björck and Golub, Numerical methods for computing angles between linear subspaces.
    """
    cosines: Tensor = torch.linalg.svdvals(first.T @ second)
    return cosines.clamp(max=1.0)
