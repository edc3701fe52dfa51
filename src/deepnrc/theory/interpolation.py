"""Zero regularization: the family of all exact fits, where nothing collapses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.arguments import MatrixLike, matrix

__all__ = ["InterpolatingSolution", "sample_interpolating"]


@dataclass(frozen=True, eq=False)
class InterpolatingSolution:
    """One of the W and H that fit the targets exactly.

    Attributes:
        weight: W, t × d, of rank t.
        features: H, N × d.
        bias: b, length t.
    """

    weight: Tensor
    features: Tensor
    bias: Tensor

    @property
    def gram(self) -> Tensor:
        """W Wᵀ, t × t: any positive definite matrix is possible."""
        return self.weight @ self.weight.T


def sample_interpolating(
    targets: MatrixLike,
    *,
    width: int,
    generator: torch.Generator,
    weight: MatrixLike | None = None,
    free_scale: float = 1.0,
    bias: bool = True,
) -> InterpolatingSolution:
    """Draw a minimizer of the unconstrained feature model with λ_H = λ_W = 0.

    With c = 0 every W of full rank fits: H = (Y − 1bᵀ)(W⁺)ᵀ + Z(I − W⁺W) for any Z. Neither the
    features' subspace (2024's NRC1, NRC2) nor the Gram matrix of W (NRC3) is determined. The
    limit of small penalties is the minimum-norm solution alone: `ufm_optimum` with 1e-12.

    Args:
        targets: Y, N × t.
        width: d ≥ t.
        generator: Source of W and Z, both standard normal.
        weight: W of rank t in place of a random one, t × d.
        free_scale: Factor on Z, the part of the features in W's null space; 0 leaves it out.
        bias: Whether b takes the targets' mean; else it is 0.

    Returns:
        One exact fit.

    Raises:
        ArgumentError: The width is below t, or the given W has another shape or a lower rank.

    References:
        [A24] Theorem 4.3.
    """
    rows = matrix(targets, "targets")
    samples, t = rows.shape
    if width < t:
        raise ArgumentError(
            f"width must be at least the number of targets, {t}, for an exact fit; got {width}"
        )
    if weight is None:
        fitting = torch.randn(t, width, generator=generator, dtype=torch.float64)
    else:
        fitting = matrix(weight, "weight", rows=t, columns=width)
    if int(torch.linalg.matrix_rank(fitting)) < t:
        raise ArgumentError(f"weight must have rank {t}; got linearly dependent rows")
    offset = rows.mean(dim=0) if bias else torch.zeros(t, dtype=torch.float64)
    inverse = torch.linalg.pinv(fitting)
    free = free_scale * torch.randn(samples, width, generator=generator, dtype=torch.float64)
    unseen = free - (free @ inverse) @ fitting
    return InterpolatingSolution(fitting, (rows - offset) @ inverse.T + unseen, offset)
