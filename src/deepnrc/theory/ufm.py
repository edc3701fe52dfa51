"""Closed form of the unconstrained feature model: its optimum in every regime.

The model: minimize over features H (N × d, one row a sample), W (t × d) and b

    (1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖².

All that matters of the targets is Σ = U diag(s) Uᵀ, of the penalties c = λ_H λ_W and their ratio.
"""

import math

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.arguments import MatrixLike, matrix, penalty
from deepnrc.theory.covariance import covariance_spectrum, rounding
from deepnrc.theory.optimum import Regime, UFMOptimum

__all__ = ["ufm_optimum"]


def ufm_optimum(
    target_covariance: MatrixLike,
    *,
    lambda_h: float,
    lambda_w: float,
    target_mean: MatrixLike | None = None,
    bias: bool = True,
) -> UFMOptimum:
    """The global minimum of the unconstrained feature model, in closed form.

    Along each eigenvector of Σ_Y the singular value √s_i of the targets is reduced by √c, to 0
    where it is smaller: a soft threshold. The rest follows from the balance λ_H‖H‖² = N λ_W‖W‖².

    Args:
        target_covariance: Σ_Y, t × t, divided by N; `target_moments` gives it. May be singular.
        lambda_h: λ_H ≥ 0 of (λ_H/2N)‖H‖². `Convention` converts from the numbers of an optimizer.
        lambda_w: λ_W ≥ 0 of (λ_W/2)‖W‖². Both may be 0; with one at 0 there is no minimum.
        target_mean: Mean of the targets, length t. Needed without a bias.
        bias: Whether the model has b. Without it, the second moment Σ_Y + mean·meanᵀ is fitted.

    Returns:
        The optimum. Infinite penalties give the zero solution.

    Raises:
        ArgumentError: Σ_Y is not a finite covariance matrix; a penalty is negative or NaN; one is 0
            and the other is not; or the mean is missing or of another length.

    Example:
        >>> best = ufm_optimum([[2.0, 0.6], [0.6, 1.0]], lambda_h=0.02, lambda_w=0.05)
        >>> best.regime.value, best.rank, round(best.loss, 9), round(best.mse, 9)
        ('full rank', 2, 0.073573787, 0.002)

    References:
        [A24] Theorem 4.1 and its corollaries, [A25] section 3; [A24]'s "first j* columns" in the
        low-rank case holds in Σ_Y's eigenbasis only.
    """
    covariance, spectrum = covariance_spectrum(target_covariance)
    mean = _mean(target_mean, len(covariance), bias)
    lambda_h, lambda_w = _both_or_neither(lambda_h, lambda_w)
    total = float(spectrum.values.sum() if bias else covariance.diagonal().sum())
    if not bias:
        _, spectrum = covariance_spectrum(covariance + torch.outer(mean, mean))
    s, directions = spectrum.values, spectrum.vectors
    c = lambda_h * lambda_w
    root_c = math.sqrt(c) if c > 0 else math.sqrt(lambda_h) * math.sqrt(lambda_w)  # underflow
    kept = s > c + rounding(s)
    left = torch.where(kept, c, s)  # min(c, s)
    shrunk = torch.where(kept, s.sqrt() - root_c, 0.0)
    mse = float(left.sum())
    gram, angles, energy, undefined = _factors(directions, shrunk, lambda_h, lambda_w)
    if total <= 0.0:
        undefined["r2"] = "the targets are constant"
    return UFMOptimum(
        regime=Regime.UNREGULARIZED if lambda_h == 0 else _regime(kept),
        lambda_h=lambda_h,
        lambda_w=lambda_w,
        c=c,
        eigenvalues=s,
        directions=directions,
        bias=mean if bias else torch.zeros_like(mean),
        gram=(gram + gram.T) / 2,
        loss=float((root_c * s.sqrt() - c / 2)[kept].sum() + s[~kept].sum() / 2),
        mse=mse,
        r2=1 - mse / total if total > 0.0 else math.nan,
        rank=int(kept.sum()),
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
        raise ArgumentError(f"target_mean must have {t} entries; got {values.numel()}")
    return values


def _both_or_neither(lambda_h: float, lambda_w: float) -> tuple[float, float]:
    lambda_h, lambda_w = penalty(lambda_h, "lambda_h"), penalty(lambda_w, "lambda_w")
    if (lambda_h == 0) != (lambda_w == 0):
        free, other = ("H", "W") if lambda_h == 0 else ("W", "H")
        raise ArgumentError(
            f"lambda_h and lambda_w must both be positive or both be 0; got {lambda_h:g} and "
            f"{lambda_w:g}: there is no minimum, as {other} shrinks without end while {free}, "
            "which has no penalty, grows"
        )
    return lambda_h, lambda_w


def _regime(kept: Tensor) -> Regime:
    if not kept.any():
        return Regime.ZERO
    return Regime.FULL_RANK if kept.all() else Regime.LOW_RANK


def _factors(
    directions: Tensor, shrunk: Tensor, lambda_h: float, lambda_w: float
) -> tuple[Tensor, Tensor, float, dict[str, str]]:
    """W Wᵀ, the angles between W's rows, ‖H‖²/N, and why any of them is undefined."""
    if lambda_h == 0:
        reason = "both penalties are 0: every W of full rank fits"
        undefined = dict.fromkeys(("gram", "row_angles", "feature_energy"), reason)
        nan = torch.full_like(directions, math.nan)
        return nan, nan.clone(), math.nan, undefined
    zero = not shrunk.any()  # and a penalty may be infinite
    ratio = 0.0 if zero else math.sqrt(lambda_h / lambda_w)
    energy = 0.0 if zero else float(shrunk.sum()) / ratio
    gram = (directions * (ratio * shrunk)) @ directions.T
    angles = _row_angles((directions * (ratio * shrunk).sqrt()) @ directions.T)
    undefined = {}
    if bool(angles.isnan().any()):
        undefined["row_angles"] = "a row of W that is 0 has no direction"
    return gram, angles, energy, undefined


def _row_angles(weight: Tensor) -> Tensor:
    """Degrees, exact near 0 and 180 as well, where the arc cosine loses half the digits."""
    lengths = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    # A row that is 0 but for the rounding of the product has no direction either.
    zero = lengths <= 16 * torch.finfo(torch.float64).eps * lengths.max()
    unit = torch.where(zero, math.nan, weight / lengths)
    difference = torch.linalg.vector_norm(unit[:, None] - unit[None, :], dim=2)
    total = torch.linalg.vector_norm(unit[:, None] + unit[None, :], dim=2)
    return torch.rad2deg(2 * torch.atan2(difference, total))
