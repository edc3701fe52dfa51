"""Neural regression collapse at the last layer, as [A24] measures it (2024's NRC1–3).

These are **not** Deep NRC's conditions of the same numbers, so names say what is measured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.metrics.gram import gram_residual
from deepnrc.metrics.view import Undefined

__all__ = ["LastLayer"]


@dataclass(frozen=True, kw_only=True)
class LastLayer:
    """[A24]'s quantities at a network's last layer; NaN where undefined, with the reason.

    Attributes:
        layer: Its name: the last layer called whose weight has one row for each target.
        variant: How rows were scaled to length 1: ``"paper2024"``, as they are, like the published
            code; ``"centred"``, less their mean; None, not measured. For features in a plane that
            misses the origin, the residuals of the first stay far from 0.
        width: d.
        feature_pca_residual: NRC1 (2024), mean ‖h̃ − P h̃‖² with P the projection onto the t
            principal components of the centred features. In [0, 1]; 0 = collapsed.
        feature_weight_residual: NRC2 (2024), the same with P onto W's row space.
        chance_residual: Value of both for rows in random directions, 1 − t/d.
        zero_rows: Rows without a direction, left out of both.
        gram_residual: NRC3 (2024) at ``gamma``, see `deepnrc.metrics.gram`. In [0, 2]; 0 =
            collapsed. With two targets it tests only the eigenvectors, and that WWᵀ is at least as
            anisotropic as Σ_Y^{1/2}: read ``gram_eigenvalues`` with it.
        gamma: γ*, which minimises it.
        gamma_share: γ*/λ_min(Σ_Y), in [0, 1].
        gamma_on_end: Whether γ* is 0 or λ_min(Σ_Y).
        gram_eigenvalues: Of WWᵀ, descending.
        explained_variance_ratios: EVR_k, share of the features' variance along each principal
            component, descending.
        r2: The model's own R², pooled over targets.
        target_r2: R² of each target; NaN for a constant one.
        gram: WWᵀ, t × t.
        target_covariance: Σ_Y; with ``intercept=False`` the targets' uncentred second moment,
            which a network without biases fits.
        undefined: Reason by name of each undefined value.

    References:
        [A24] section 3.
    """

    layer: str
    variant: str | None
    width: int
    feature_pca_residual: float
    feature_weight_residual: float
    chance_residual: float
    zero_rows: int
    gram_residual: float
    gamma: float
    gamma_share: float
    gamma_on_end: bool | None
    gram_eigenvalues: tuple[float, ...]
    explained_variance_ratios: tuple[float, ...]
    r2: float
    target_r2: tuple[float, ...]
    gram: tuple[tuple[float, ...], ...]
    target_covariance: tuple[tuple[float, ...], ...]
    undefined: Mapping[str, str]

    @property
    def largest_gamma(self) -> float:
        """λ_min(Σ_Y), the largest γ."""
        return max(float(torch.linalg.eigvalsh(_matrix(self.target_covariance))[0]), 0.0)

    def gram_residual_at(self, gamma: float) -> float:
        """NRC3 (2024) at a given γ; in a training curve, that of the last measurement.

        Args:
            gamma: In squared units of the targets, from 0 to `largest_gamma`.

        Returns:
            In [0, 2]; NaN where it is undefined.

        Raises:
            ArgumentError: γ is out of range.
        """
        largest = self.largest_gamma
        if not 0.0 <= gamma <= largest * (1 + 1e-9):
            raise ArgumentError(
                f"gamma must be from 0 to λ_min(Σ_Y) = {largest:.6g}; got {gamma!r}: take it from "
                "a measurement with the same targets"
            )
        value = gram_residual(_matrix(self.gram), _matrix(self.target_covariance), gamma)
        return math.nan if isinstance(value, Undefined) else value

    def gram_curve(self, points: int = 101) -> tuple[tuple[float, float], ...]:
        """(γ/λ_min, NRC3 at γ) in equal steps from 0 to 1, as drawn in [A24].

        Raises:
            ArgumentError: There are fewer than two points.
        """
        if points < 2:
            raise ArgumentError(f"points must be at least 2; got {points!r}")
        shares = [i / (points - 1) for i in range(points)]
        return tuple((share, self.gram_residual_at(share * self.largest_gamma)) for share in shares)


def _matrix(rows: tuple[tuple[float, ...], ...]) -> Float64[Tensor, "t t"]:
    return torch.tensor(rows, dtype=torch.float64)
