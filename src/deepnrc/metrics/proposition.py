"""Proposition 1 of [RU26]: bounds, from NRC1 and NRC2, on what the targets do not explain."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor

from deepnrc.linalg.spectra import numerical_rank, symmetric_spectrum
from deepnrc.metrics.alignment import signal_target_cka
from deepnrc.metrics.spectrum import noise_component
from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["Proposition1", "proposition_1", "spectral_bound"]

_SUMMATION = 1e-14  # of a sum of products of entries that are at most 1, a few eps
_ROUNDING = 1e-7  # both sides are roots of differences with an error of a few 1e-15


@dataclass(frozen=True)
class Proposition1:
    """‖H_c − P_Y H_c‖_F/‖H_c‖_F, the published bound of it, and one that is proved.

    The published bound, √NRC1 + √(1 − CKA), takes CKA to be an unweighted mean of squared cosines,
    which it is only for flat spectra; so whether it holds is reported, not assumed.

    Attributes:
        residual: In [0, 1]: share of the features' norm outside the targets' column space.
        published: The published right side.
        spectral: The bound of `spectral_bound`, which holds for all features and targets.
    """

    residual: float
    published: float
    spectral: float

    @property
    def holds(self) -> bool:
        """Whether the published bound holds, to rounding."""
        return self.residual <= self.published + _ROUNDING


def proposition_1(view: LayerView) -> Proposition1 | Undefined:
    """Both sides, from moments: ‖P_Y H_c‖_F²/N = Tr(Σ_HY Σ_Y⁺ Σ_HYᵀ).

    Always centred, whatever the view's setting. Undefined where the noise component or the CKA is.
    """
    noise, cka = noise_component(view, center=True), signal_target_cka(view)
    if isinstance(noise, Undefined):
        return noise
    if isinstance(cka, Undefined):
        return cka
    moments = view.moments
    targets = symmetric_spectrum(moments.target_covariance)
    rank = numerical_rank(targets.values, rtol=1e-12)
    projected = moments.cross_covariance @ targets.top(rank)
    explained = float((projected.square() / targets.values[:rank]).sum())
    total = float(moments.feature_covariance.diagonal().sum())
    features = view.covariance_spectrum
    shared = (features.top(view.signal_dim).T @ projected).square().sum()
    return Proposition1(
        residual=max(0.0, 1.0 - explained / total) ** 0.5,
        published=noise**0.5 + max(0.0, 1.0 - cka) ** 0.5,
        spectral=spectral_bound(
            noise, features.values[: view.signal_dim], targets.values[:rank], float(shared)
        ),
    )


def spectral_bound(
    noise: float, features: Float64[Tensor, " k"], targets: Float64[Tensor, " r"], shared: float
) -> float:
    """The smallest bound of the residual that NRC1, NRC2 and the two spectra allow.

    Of the signal's energy Σλ_i the targets explain at least the least that is compatible with
    ``shared``: the leading λ_j while Σ_{j<m} λ_j·μ_j stays below it, and the rest at μ_m. Where
    NRC2 is 1 this is all of it. It is attained: no better bound follows from these numbers.

    Args:
        noise: NRC1, in [0, 1].
        features: λ, the k leading eigenvalues of the features' covariance, descending.
        targets: μ, the positive eigenvalues of the targets' covariance, descending.
        shared: ‖U_kᵀΣ_HY‖_F² = NRC2 · ‖λ‖ ‖μ‖.

    References:
        docs/theory.md, "A bound in place of Proposition 1's".
    """
    λ, μ = features / features[0], targets / targets[0]
    count = min(len(λ), len(μ))
    products = λ[:count] * μ[:count]
    # Lowered by its rounding, which small eigenvalues of the targets would magnify.
    left = max(0.0, shared / float(features[0] * targets[0]) - _SUMMATION * len(λ))
    explained = 0.0
    for value, target, product in zip(λ.tolist(), μ.tolist(), products.tolist(), strict=False):
        if product >= left:
            explained += left / target
            break
        explained, left = explained + value, left - product
    unexplained = max(0.0, 1.0 - explained / float(λ.sum()))
    return float((noise + (1.0 - noise) * unexplained) ** 0.5)
