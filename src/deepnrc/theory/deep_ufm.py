"""The deep linear unconstrained feature model: its optimum in closed form.

Features H (d × M, samples in columns) and weights W_1 … W_L are all free and all decayed; with
K = L + 1 factors, the model minimises

    (1/2M)‖W_L ⋯ W_1 H − Y‖² + Σ_l (λ_l/2)‖W_l‖² + (λ_H/2M)‖H‖².

The eigenvectors of Σ_Y separate it: along each, with x the singular value kept of √s, remains
½(x − √s)² + (K/2) C^{1/K} x^{2/K}, where C = λ_H ∏ λ_l. For K > 2 that has two minima, 0 and one
near √s, and the lower one jumps from the first to the second where √s passes a threshold.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.covariance import (
    MatrixLike,
    covariance_spectrum,
    covariance_tolerance,
    penalty,
    square_matrix,
)

__all__ = ["DeepUFMOptimum", "deep_ufm_optimum", "deep_ufm_penalties"]


@dataclass(frozen=True)
class DeepUFMOptimum:
    """The global minimum of the deep linear model, whose layers are at least rank Σ_Y wide.

    Directions are eigenvectors of Σ_Y, by descending eigenvalue. Depth l counts the weights passed:
    depth 0 is H, which enters W_1, and depth L the predictions. Metrics are by weight layer and
    are those of its input, as everywhere in Deep NRC. A value that is not defined is NaN, and
    `undefined` says why.

    Attributes:
        lambdas: Penalties of W_1 to W_L.
        lambda_h: Penalty of the features.
        target_eigenvalues: s, eigenvalues of Σ_Y, t.
        target_directions: U, eigenvectors of Σ_Y in columns, t × t.
        threshold: s*: a direction is kept where √s_i > s*. √C for L = 1.
        kept: Which directions the optimum keeps, t.
        tied: Which stand at the threshold, to rounding, t. For L ≥ 2 dropping and keeping them
            cost the same, so that the minimum is not unique; the one described drops them.
        rank: Directions kept: the rank of every factor.
        singular_values: x, singular values of W_L ⋯ W_1 H/√M, t; 0 where dropped.
        loss: The objective at the minimum.
        mse: Training error, summed over targets and averaged over samples (t times PyTorch's).
        r2: 1 − mse/Tr Σ_Y, in [0, 1]; undefined for constant targets.
        residual_covariance: Covariance of Y − W_L ⋯ W_1 H, t × t.
        grams: L × t × t. The last is W_L W_Lᵀ. In a hidden layer only the eigenvalues and what
            they belong to is fixed: W_l W_lᵀ = Q_l grams[l − 1] Q_lᵀ, where the columns of Q_l are
            orthonormal and W_L ⋯ W_{l+1} takes them to directions of the targets.
        weight_spectra: Eigenvalues of the Grams: squared singular values of W_l, L × t.
        feature_spectra: Covariance eigenvalues of the features at depth 0 to L, (L + 1) × t; the
            widths' further eigenvalues are 0.
        cka_by_depth: Linear CKA of the features at depth 0 to L with Y, L + 1, in [0, 1].
            Undefined when nothing is kept. Rises with depth where penalties are weak; strong ones
            shrink weak directions so far that the last layers overshoot the targets' spectrum.
        signal_rank: k of the metrics that follow.
        noise_component: NRC1 of the features that enter W_1 to W_L, L, in [0, 1].
        signal_target_cka: NRC2, L, in [0, 1]: CKA of their top-k part with Y.
        feature_weight_alignment: NRC3, L: 1, or undefined where the k-th and (k + 1)-th eigenvalue
            are equal, so that the top-k subspace is anybody's choice.
        undefined: Why values are NaN, empty where none is.
    """

    lambdas: tuple[float, ...]
    lambda_h: float
    target_eigenvalues: Float64[Tensor, " t"]
    target_directions: Float64[Tensor, "t t"]
    threshold: float
    kept: Bool[Tensor, " t"]
    tied: Bool[Tensor, " t"]
    rank: int
    singular_values: Float64[Tensor, " t"]
    loss: float
    mse: float
    r2: float
    residual_covariance: Float64[Tensor, "t t"]
    grams: Float64[Tensor, "L t t"]
    weight_spectra: Float64[Tensor, "L t"]
    feature_spectra: Float64[Tensor, "K t"]
    cka_by_depth: Float64[Tensor, " K"]
    signal_rank: int
    noise_component: Float64[Tensor, " L"]
    signal_target_cka: Float64[Tensor, " L"]
    feature_weight_alignment: Float64[Tensor, " L"]
    undefined: str


def deep_ufm_optimum(
    target_covariance: MatrixLike,
    *,
    lambdas: Iterable[float],
    lambda_h: float,
    signal_rank: int | None = None,
) -> DeepUFMOptimum:
    """The global minimum of the deep linear unconstrained feature model, in closed form.

    The penalised product has a Schatten-2/K quasi-norm as its price (by the inequality of means,
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
    penalties, penalty_h = deep_ufm_penalties(lambdas, lambda_h)
    covariance = square_matrix(target_covariance, "target_covariance")
    t = len(covariance)
    k = t if signal_rank is None else signal_rank
    if not 1 <= k <= t:
        raise ArgumentError(
            f"signal_rank must be from 1 to the number of targets, {t}, got {signal_rank}"
        )
    spectrum = covariance_spectrum(covariance, "target_covariance")
    s, directions = spectrum.values, spectrum.vectors
    # A few times what rounding does to an eigenvalue, as the threshold carries some of its own.
    tolerance = 8 * covariance_tolerance(s)

    factors = len(penalties) + 1
    mean_penalty = penalty_h ** (1 / factors)  # C^{1/K}; the product itself could underflow
    for value in penalties:
        mean_penalty *= value ** (1 / factors)
    threshold = _threshold(mean_penalty, factors)
    squared = threshold * threshold  # ** 2 would raise on overflow
    kept = s > squared + tolerance
    tied = (s - squared).abs() <= tolerance

    x, price, squared_residual = torch.zeros_like(s), torch.zeros_like(s), s.clone()
    x[kept] = _larger_root(s[kept].sqrt(), mean_penalty, factors)
    price[kept] = mean_penalty * x[kept] ** (2 / factors)  # λ_l‖W_l‖² along the direction, any l
    squared_residual[kept] = (price[kept] / x[kept]) ** 2  # √s − x would cancel

    shares = torch.stack([price / value for value in (penalty_h, *penalties)])
    feature_spectra = shares.cumprod(dim=0)
    mse = float(squared_residual.sum())
    noise, signal_cka, alignment, whole_cka, undefined = _metrics(feature_spectra, s, k, tolerance)
    total = float(s.sum())
    if total == 0:
        undefined = "the targets are constant: they have no directions and no variance to explain"
    return DeepUFMOptimum(
        lambdas=penalties,
        lambda_h=penalty_h,
        target_eigenvalues=s,
        target_directions=directions,
        threshold=threshold,
        kept=kept,
        tied=tied,
        rank=int(kept.sum()),
        singular_values=x,
        loss=0.5 * mse + 0.5 * factors * float(price.sum()),
        mse=mse,
        r2=1 - mse / total if total > 0 else float("nan"),
        residual_covariance=(directions * squared_residual) @ directions.T,
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


def deep_ufm_penalties(
    lambdas: Iterable[float], lambda_h: float
) -> tuple[tuple[float, ...], float]:
    """The penalties of W_1 to W_L and of H, checked: at least one weight, all positive.

    Raises:
        ArgumentError: There is no weight, or a penalty is not a positive number.
    """
    penalties = tuple(penalty(value, f"lambdas[{i}]") for i, value in enumerate(lambdas))
    if not penalties:
        raise ArgumentError(
            "lambdas must hold the penalty of every weight from W_1 to W_L, got none"
        )
    named = {f"lambdas[{i}]": value for i, value in enumerate(penalties)}
    for name, value in (named | {"lambda_h": penalty(lambda_h, "lambda_h")}).items():
        if value == 0:
            raise ArgumentError(
                f"{name} must be positive, got 0: with a penalty of 0 factors grow without bound "
                "or are not determined; for the limit of vanishing penalties pass a small one, "
                "such as 1e-12"
            )
    return penalties, float(lambda_h)


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
    nan = torch.full((len(spectra),), float("nan"), dtype=torch.float64)
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
            f"eigenvalues {k} and {k + 1} of the targets are equal, so that no top-{k} subspace "
            "stands out: NRC3 is undefined"
        )
    return noise[:-1], signal_cka[:-1], alignment[:-1], cka, why


def _cka(phi: Float64[Tensor, "K k"], s: Float64[Tensor, " t"]) -> Float64[Tensor, " K"]:
    """Σφ_i s_i/(‖φ‖‖s‖): linear CKA when features and targets vary along the same directions."""
    scaled = s / s[0]
    products = phi @ scaled[: phi.shape[1]]
    norms: Tensor = torch.linalg.vector_norm(phi, dim=1) * torch.linalg.vector_norm(scaled)
    return (products / norms).clamp(max=1.0)
