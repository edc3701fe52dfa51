"""Closed form of the unconstrained feature model: its optimum in every regime.

The model: minimise over features H (N × d, one row a sample), W (t × d) and b

    (1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖².

All that matters of the targets is Σ = U diag(s) Uᵀ, of the penalties c = λ_H λ_W and their ratio.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.covariance import (
    MatrixLike,
    covariance_spectrum,
    covariance_tolerance,
    matrix,
    penalty,
    square_matrix,
)

__all__ = ["Regime", "UFMOptimum", "ufm_optimum"]


class Regime(StrEnum):
    """What the size of c = λ_H λ_W against the eigenvalues s_1 ≥ … ≥ s_t of Σ_Y makes of W."""

    UNREGULARIZED = "unregularized"  # c = 0: every W of full rank fits, nothing collapses
    FULL_RANK = "full rank"  # c < s_t
    LOW_RANK = "low rank"  # s_t ≤ c < s_1
    ZERO = "zero"  # c ≥ s_1: the penalties win, W = 0


@dataclass(frozen=True, eq=False)
class UFMOptimum:
    """The minimum of the unconstrained feature model for one Σ_Y and two penalties.

    Attributes:
        regime: Which of the four cases holds.
        lambda_h: λ_H.
        lambda_w: λ_W.
        c: λ_H λ_W, in the targets' squared units.
        eigenvalues: s_1 ≥ … ≥ s_t of the matrix that is fitted: Σ_Y; without a bias, the second
            moment of the targets.
        directions: U, t × t; column i belongs to s_i.
        bias: b, length t: the targets' mean, 0 where none was given; 0 without a bias.
        gram: W Wᵀ = √(λ_H/λ_W) U diag[√s_i − √c]₊ Uᵀ, t × t. NaN where unregularized.
        loss: L*, the minimum of the whole objective.
        mse: Training error summed over the targets, Σ min(c, s_i), in squared target units.
            PyTorch's ``MSELoss`` is this divided by t.
        r2: 1 − mse/Tr Σ_Y, pooled over the targets, ≤ 1. NaN for constant targets.
        rank: Rank of the predictions, #{s_i > c}; also that of W and H unless unregularized.
        residual_covariance: Of what stays unfitted, U diag(min(c, s_i)) Uᵀ, t × t; its second
            moment without a bias. c·I where the rank is full: white noise.
        row_angles: Angles between the rows of W in degrees, t × t. NaN for a row that is 0.
        feature_energy: ‖H‖²/N, the mean squared length of a sample's features.
        undefined: Reasons, by the name of the field that holds NaN.
    """

    regime: Regime
    lambda_h: float
    lambda_w: float
    c: float
    eigenvalues: Tensor
    directions: Tensor
    bias: Tensor
    gram: Tensor
    loss: float
    mse: float
    r2: float
    rank: int
    residual_covariance: Tensor
    row_angles: Tensor
    feature_energy: float
    undefined: Mapping[str, str] = field(default_factory=dict)

    @property
    def target_dim(self) -> int:
        """Number of targets, t."""
        return self.eigenvalues.numel()

    @property
    def gamma(self) -> float:
        """The γ at which 2024's NRC3 is 0: c where the rank is full, else NaN [A24, eq. 3]."""
        return self.c if self.regime is Regime.FULL_RANK else math.nan

    def weight(self, rotation: MatrixLike | None = None) -> Tensor:
        """One of the optimal W, t × d: W = gram^{1/2} R, and R is free.

        Args:
            rotation: R, t × d with R Rᵀ = I. Default: the identity, d = t.

        Raises:
            ArgumentError: R is of the wrong shape or its rows are not orthonormal, or W is not
                determined because the model is unregularized.
        """
        self._determined("W")
        root = (self.directions * self._root_gram()) @ self.directions.T
        return root if rotation is None else root @ self._rotation(rotation)

    def features(self, targets: MatrixLike, rotation: MatrixLike | None = None) -> Tensor:
        """The optimal H, N × d, that goes with `weight` of the same rotation.

        H = √(λ_W/λ_H) (Y − 1bᵀ)(Σ^{1/2})⁺ W, a linear function of the targets.

        Args:
            targets: Y, N × t; its covariance must be Σ_Y (its mean b) for H to be the minimiser.
            rotation: As in `weight`.

        Raises:
            ArgumentError: As in `weight`; or Y has another number of columns than Σ_Y.
        """
        self._determined("H")
        rows = matrix(targets, "targets")
        if rows.shape[1] != self.target_dim:
            raise ArgumentError(
                f"targets must have {self.target_dim} columns, as the covariance has, got "
                f"{rows.shape[1]}"
            )
        gain = torch.zeros_like(self.eigenvalues)
        kept = slice(0, self.rank)
        if self.rank:
            ratio = math.sqrt(self.lambda_w / self.lambda_h)
            gain[kept] = ratio * self._root_gram()[kept] / self.eigenvalues[kept].sqrt()
        linear = (self.directions * gain) @ self.directions.T
        features = (rows - self.bias) @ linear
        return features if rotation is None else features @ self._rotation(rotation)

    def _root_gram(self) -> Tensor:
        diagonal = (self.directions.T @ self.gram @ self.directions).diagonal().clone()
        diagonal[self.rank :] = 0.0
        return diagonal.clamp(min=0).sqrt()

    def _rotation(self, rotation: MatrixLike) -> Tensor:
        rows = matrix(rotation, "rotation")
        t = self.target_dim
        if rows.shape[0] != t:
            raise ArgumentError(f"rotation must be t × d with t = {t}, got {tuple(rows.shape)}")
        gap = float((rows @ rows.T - torch.eye(t, dtype=torch.float64)).abs().max())
        if gap > 1e-9:
            raise ArgumentError(
                f"rotation must have orthonormal rows (R Rᵀ = I), but R Rᵀ is off by {gap:.2g}; "
                "it also needs d ≥ t"
            )
        return rows

    def _determined(self, what: str) -> None:
        if self.regime is Regime.UNREGULARIZED:
            raise ArgumentError(
                f"{what} is not determined with both penalties 0: every full-rank W fits; draw one "
                "with sample_interpolating, or give small positive penalties"
            )


def ufm_optimum(
    target_covariance: MatrixLike,
    *,
    lambda_h: float,
    lambda_w: float,
    target_mean: MatrixLike | None = None,
    bias: bool = True,
) -> UFMOptimum:
    """What the unconstrained feature model says training ends in, in closed form.

    Along each eigenvector of Σ_Y the singular value √s_i of the targets is kept less √c, and
    dropped when nothing is left: a soft threshold. The rest follows from the balance
    λ_H‖H‖² = N λ_W‖W‖².

    Args:
        target_covariance: Σ_Y, t × t, divided by N; `target_moments` gives it. May be singular.
        lambda_h: λ_H ≥ 0 of (λ_H/2N)‖H‖². `Convention` converts from what an optimiser is given.
        lambda_w: λ_W ≥ 0 of (λ_W/2)‖W‖². Both may be 0; one alone has no minimum.
        target_mean: Mean of the targets, length t. Needed without a bias.
        bias: Whether the model has b. Without it, the second moment Σ_Y + mean·meanᵀ is fitted.

    Returns:
        The optimum. Infinite penalties give the zero solution.

    Raises:
        ArgumentError: Σ_Y is not a finite covariance matrix; a penalty is negative, NaN, or 0
            beside one that is not; the mean is missing or of another length.

    Example:
        >>> best = ufm_optimum([[2.0, 0.6], [0.6, 1.0]], lambda_h=0.02, lambda_w=0.05)
        >>> best.regime.value, best.rank, round(best.loss, 9), round(best.mse, 9)
        ('full rank', 2, 0.073573787, 0.002)

    References:
        [A24] Theorem 4.1 and its corollaries, [A25] section 3; [A24]'s "first j* columns" in the
        low-rank case is right in Σ_Y's eigenbasis only.
    """
    covariance = square_matrix(target_covariance, "target_covariance")
    mean = _mean(target_mean, len(covariance), bias)
    lambda_h, lambda_w = penalty(lambda_h, "lambda_h"), penalty(lambda_w, "lambda_w")
    if (lambda_h == 0) != (lambda_w == 0):
        small, other = ("lambda_h", "W") if lambda_h == 0 else ("lambda_w", "H")
        raise ArgumentError(
            f"lambda_h = {lambda_h:g} with lambda_w = {lambda_w:g} has no minimum: {other} can "
            f"shrink without end while the other factor grows, as {small} charges nothing; give "
            "both positive or both 0"
        )
    fitted = covariance if bias else covariance + torch.outer(mean, mean)
    covariance_spectrum(covariance, "target_covariance")  # a mean must not hide a negative one
    spectrum = covariance_spectrum(fitted, "target_covariance")
    s, directions = spectrum.values, spectrum.vectors
    c = lambda_h * lambda_w
    root_c = math.sqrt(c) if c > 0 else math.sqrt(lambda_h) * math.sqrt(lambda_w)  # underflow
    kept = s > c + covariance_tolerance(s)
    rank = int(kept.sum())
    left = torch.where(kept, c, s)  # min(c, s)
    shrunk = torch.where(kept, s.sqrt() - root_c, 0.0)
    mse = float(left.sum())
    loss = float((root_c * s.sqrt() - c / 2)[kept].sum() + s[~kept].sum() / 2)
    unregularized = lambda_h == 0
    regime = Regime.UNREGULARIZED if unregularized else _regime(rank, len(s))
    undefined: dict[str, str] = {}
    if unregularized:
        reason = "both penalties are 0: every W of full rank fits"
        undefined = dict.fromkeys(("gram", "row_angles", "feature_energy"), reason)
        gram = torch.full_like(covariance, math.nan)
        angles, energy = gram.clone(), math.nan
    else:
        ratio = math.sqrt(lambda_h / lambda_w) if rank else 0.0
        gram = (directions * (ratio * shrunk)) @ directions.T
        angles = _row_angles((directions * (ratio * shrunk).sqrt()) @ directions.T)
        energy = float(shrunk.sum()) / ratio if rank else 0.0
        if bool(angles.isnan().any()):
            undefined["row_angles"] = "a row of W that is 0 has no direction"
    total = float(s.sum() if bias else covariance.diagonal().sum())
    if total <= 0.0:
        undefined["r2"] = "the targets are constant"
    return UFMOptimum(
        regime=regime,
        lambda_h=lambda_h,
        lambda_w=lambda_w,
        c=c,
        eigenvalues=s,
        directions=directions,
        bias=mean if bias else torch.zeros_like(mean),
        gram=(gram + gram.T) / 2,
        loss=loss,
        mse=mse,
        r2=1 - mse / total if total > 0.0 else math.nan,
        rank=rank,
        residual_covariance=(directions * left) @ directions.T,
        row_angles=angles,
        feature_energy=energy,
        undefined=undefined,
    )


def _mean(mean: MatrixLike | None, t: int, bias: bool) -> Tensor:
    if mean is None:
        if not bias:
            raise ArgumentError(
                "target_mean must be given with bias=False: without a bias the mean is fitted too"
            )
        return torch.zeros(t, dtype=torch.float64)
    values = matrix(mean, "target_mean").flatten()
    if values.numel() != t:
        raise ArgumentError(f"target_mean must have {t} entries, got {values.numel()}")
    return values


def _regime(rank: int, t: int) -> Regime:
    if rank == 0:
        return Regime.ZERO
    return Regime.FULL_RANK if rank == t else Regime.LOW_RANK


def _row_angles(weight: Tensor) -> Tensor:
    """Degrees, exact near 0 and 180 as well, where the arc cosine loses half the digits."""
    lengths = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    # A row that is 0 but for the rounding of the product has no direction either.
    zero = lengths <= 16 * torch.finfo(torch.float64).eps * lengths.max()
    unit = torch.where(zero, math.nan, weight / lengths)
    difference = torch.linalg.vector_norm(unit[:, None] - unit[None, :], dim=2)
    total = torch.linalg.vector_norm(unit[:, None] + unit[None, :], dim=2)
    return torch.rad2deg(2 * torch.atan2(difference, total))
