"""Which directions are deflated: how many, and the leading subspace of the rows so far."""

import torch
from torch import Tensor

__all__ = ["deflated_directions", "leading_subspace"]

_SIZE_UNIT = 16  # sizes of the basis are multiples of this; smaller ones run slower
_DOUBLE_WIDTH = 128  # layers this narrow are summed in float64: deflation would not pay


def deflated_directions(width: int, target_dim: int) -> int:
    """Directions that are deflated in a layer of this width; 0 where that would not pay.

    The signal's and two more, rounded up to a fast size.
    """
    k = _SIZE_UNIT * -(-(target_dim + 2) // _SIZE_UNIT)
    return k if width > max(_DOUBLE_WIDTH, 4 * k) else 0


def leading_subspace(
    scatter: Tensor, k: int, *, start: Tensor | None, steps: int
) -> tuple[Tensor, float]:
    """Orthonormal basis of about the leading k-dimensional subspace, by subspace iteration.

    Args:
        scatter: Positive semi-definite, d × d.
        k: Directions.
        start: Basis to start from, used if it is of the right height; else a fixed random one.
        steps: Of the iteration.

    Returns:
        The basis, d × k, and the part of the trace outside it.
    """
    if start is None or len(start) != len(scatter):
        generator = torch.Generator("cpu").manual_seed(0)
        start = torch.randn(len(scatter), k, generator=generator, device="cpu")
        start = start.to(scatter)
    basis = start
    for _ in range(steps):
        basis = torch.linalg.qr(scatter @ basis).Q
    captured = float((basis * (scatter @ basis)).sum())
    return basis, max(float(scatter.diagonal().sum()) - captured, 0.0)
