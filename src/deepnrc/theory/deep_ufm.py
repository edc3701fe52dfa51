"""Closed form of the deep linear unconstrained feature model: its global minimum.

Features H (d × M, samples in columns) and weights W_1 … W_L are all free and all penalized; with
K = L + 1 factors, the model minimizes

    (1/2M)‖W_L ⋯ W_1 H − Y‖² + Σ_l (λ_l/2)‖W_l‖² + (λ_H/2M)‖H‖².

The eigenvectors of Σ_Y separate it: along each, with x the singular value kept of √s, remains
½(x − √s)² + (K/2) C^{1/K} x^{2/K}, where C = λ_H ∏ λ_l. For K > 2 that has two minima, 0 and one
near √s; the lower one is 0 until √s passes a threshold, and then the other.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.arguments import MatrixLike, layer_penalties
from deepnrc.theory.covariance import covariance_spectrum, rounding
from deepnrc.theory.deep_optimum import DeepUFMOptimum

__all__ = ["deep_ufm_optimum"]


def deep_ufm_optimum(
    target_covariance: MatrixLike,
    *,
    lambdas: Iterable[float],
    lambda_h: float,
    signal_rank: int | None = None,
) -> DeepUFMOptimum:
    """The global minimum of the deep linear unconstrained feature model, in closed form.

    The least penalty of a product is its Schatten-2/K quasi-norm (by the inequality of means,
    attained when all factors share it: λ_l‖W_l‖² = λ_H‖H‖²/M), so each direction is solved alone:
    √s − x = C^{1/K} x^{2/K−1}, the larger root.

    Args:
        target_covariance: Σ_Y, t × t, divided by N. For a model without bias, the uncentred second
            moment of the targets.
        lambdas: Penalties of W_1 to W_L, L ≥ 1, positive. L = 1 is the plain model, `ufm_optimum`.
            Infinite ones make everything 0.
        lambda_h: Penalty of the features, positive.
        signal_rank: k of the predicted NRC1 to NRC3, from 1 to t; None for t.

    Returns:
        The optimum, its factors and the metrics it predicts.

    Raises:
        ArgumentError: Σ_Y is not a covariance, a penalty is not positive, or k is out of range.

    Example:
        >>> deep = deep_ufm_optimum([[1, 0], [0, 0.1]], lambdas=[0.1, 0.1], lambda_h=0.1)
        >>> round(deep.threshold, 6), deep.rank
        (0.355656, 1)
        >>> deep.singular_values
        tensor([0.8963, 0.0000], dtype=torch.float64)

    References:
        [A24] for L = 1; deeper models separate into directions in the same way.
    """
    penalties, penalty_h = layer_penalties(lambdas, lambda_h)
    _, spectrum = covariance_spectrum(target_covariance)
    s, directions = spectrum.values, spectrum.vectors
    k = _signal_rank(signal_rank, len(s))
    # A few times what rounding does to an eigenvalue, as the threshold has some of its own.
    tolerance = 8 * rounding(s)
    factors = len(penalties) + 1
    # C^{1/K}; the product C itself could underflow.
    mean_penalty = math.prod(value ** (1 / factors) for value in (penalty_h, *penalties))
    threshold = _threshold(mean_penalty, factors)
    squared = threshold * threshold  # ** 2 would raise on overflow
    kept = s > squared + tolerance
    x, price, left = _kept_values(s, kept, mean_penalty, factors)
    shares = torch.stack([price / value for value in (penalty_h, *penalties)])
    feature_spectra = shares.cumprod(dim=0)
    noise, signal_cka, alignment, whole_cka, undefined = _metrics(feature_spectra, s, k, tolerance)
    mse, total = float(left.sum()), float(s.sum())
    if total == 0:
        undefined = "the targets are constant: they have no directions and no variance to explain"
    return DeepUFMOptimum(
        lambdas=penalties,
        lambda_h=penalty_h,
        target_eigenvalues=s,
        target_directions=directions,
        threshold=threshold,
        kept=kept,
        tied=(s - squared).abs() <= tolerance,
        rank=int(kept.sum()),
        singular_values=x,
        loss=0.5 * mse + 0.5 * factors * float(price.sum()),
        mse=mse,
        r2=1 - mse / total if total > 0 else math.nan,
        residual_covariance=(directions * left) @ directions.T,
        grams=(directions * shares[1:, None, :]) @ directions.T,
        weight_spectra=shares[1:],
        feature_spectra=feature_spectra,
        cka_by_depth=whole_cka,
        signal_rank=k,
        noise_component=noise,
        signal_target_cka=signal_cka,
        feature_weight_alignment=alignment,
        undefined=undefined,
    )


def _signal_rank(k: int | None, t: int) -> int:
    if k is None:
        return t
    if not 1 <= k <= t:
        raise ArgumentError(f"signal_rank must be from 1 to the number of targets, {t}; got {k}")
    return k


def _kept_values(
    s: Tensor, kept: Tensor, mean_penalty: float, factors: int
) -> tuple[Tensor, Tensor, Tensor]:
    """By direction: x, the penalty λ_l‖W_l‖² of any one factor, and the squared residual."""
    x, price, left = torch.zeros_like(s), torch.zeros_like(s), s.clone()
    x[kept] = _larger_root(s[kept].sqrt(), mean_penalty, factors)
    price[kept] = mean_penalty * x[kept] ** (2 / factors)
    left[kept] = (price[kept] / x[kept]) ** 2  # √s − x would cancel
    return x, price, left


def _threshold(mean_penalty: float, factors: int) -> float:
    """s* = C^{1/(2K−2)} (K − 1) (K − 2)^{−(K−2)/(2K−2)}, with 0⁰ = 1: where f(x) = f(0)."""
    k = float(factors)
    threshold: float = mean_penalty ** (k / (2 * k - 2)) * (k - 1)
    threshold /= (k - 2) ** ((k - 2) / (2 * k - 2))
    return threshold


def _larger_root(
    root: Float64[Tensor, " r"], mean_penalty: float, factors: int
) -> Float64[Tensor, " r"]:
    """The larger root x of √s − x = C^{1/K} x^{2/K−1}, for √s above the threshold.

    With u = x/√s it is (1 − u) u^p = r: concave in u and falling where u ≥ (K − 2)/(K − 1), so that
    Newton's steps from u = 1 fall towards the root and never past it.
    """
    if factors == 2:
        return root - mean_penalty
    p = 1 - 2 / factors
    r = mean_penalty * root ** (2 / factors - 2)
    u = torch.ones_like(root)
    # Quadratic from a starting point no further than 1/(K − 1) away: about six steps; the rest
    # costs nothing and settles the last digit.
    for _ in range(20):
        power = u ** (p - 1)
        u = u - ((1 - u) * power * u - r) / (power * (p - (p + 1) * u))
    return root * u


def _metrics(
    spectra: Float64[Tensor, "K t"], s: Float64[Tensor, " t"], k: int, tolerance: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, str]:
    """NRC1, NRC2 and NRC3 by weight layer, CKA by depth, and why any of them is undefined."""
    nan = torch.full((len(spectra),), math.nan, dtype=torch.float64)
    if not bool(spectra[0, 0] > 0):
        why = "no direction of the targets is above the threshold: features and weights are 0"
        return nan[1:], nan[1:], nan[1:], nan, why
    phi = spectra / spectra[:, :1]  # squares of tiny spectra would underflow
    noise = phi[:, k:].sum(dim=1) / phi.sum(dim=1)
    cka, signal_cka = _cka(phi, s), _cka(phi[:, :k], s)
    alignment = torch.ones_like(noise)
    why = ""
    if k < len(s) and phi[0, k] > 0 and s[k - 1] - s[k] <= tolerance:
        alignment = nan
        why = (
            f"eigenvalues {k} and {k + 1} of the targets are equal, so that the top-{k} subspace "
            "is not unique: NRC3 is undefined"
        )
    return noise[:-1], signal_cka[:-1], alignment[:-1], cka, why


def _cka(phi: Float64[Tensor, "K k"], s: Float64[Tensor, " t"]) -> Float64[Tensor, " K"]:
    """Σφ_i s_i/(‖φ‖‖s‖): linear CKA when features and targets vary along the same directions."""
    scaled = s / s[0]
    products = phi @ scaled[: phi.shape[1]]
    norms: Tensor = torch.linalg.vector_norm(phi, dim=1) * torch.linalg.vector_norm(scaled)
    return (products / norms).clamp(max=1.0)
