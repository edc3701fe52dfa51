"""Proposition 1 of [RU26]: a bound, from NRC1 and NRC2, on what the targets do not explain."""

from dataclasses import dataclass

from deepnrc.linalg.spectra import numerical_rank, symmetric_spectrum
from deepnrc.metrics.alignment import signal_target_cka
from deepnrc.metrics.spectrum import noise_component
from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["Proposition1", "proposition_1"]

_ROUNDING = 1e-7  # both sides are roots of differences with an error of a few 1e-15


@dataclass(frozen=True)
class Proposition1:
    """Both sides of ‖H_c − P_Y H_c‖_F/‖H_c‖_F ≤ √NRC1 + √(1 − CKA).

    The published proof takes CKA to be an unweighted mean of squared cosines, which holds only for
    flat spectra; so whether the bound holds is reported, not assumed.

    Attributes:
        residual: Left side, in [0, 1]: share of the features outside the targets' column space.
        bound: Right side.
    """

    residual: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the left side is at most the right, to rounding."""
        return self.residual <= self.bound + _ROUNDING


def proposition_1(view: LayerView) -> Proposition1 | Undefined:
    """Both sides of Proposition 1, from moments: ‖P_Y H_c‖_F²/N = Tr(Σ_HY Σ_Y⁺ Σ_HYᵀ).

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
    return Proposition1(
        residual=max(0.0, 1.0 - explained / total) ** 0.5,
        bound=noise**0.5 + max(0.0, 1.0 - cka) ** 0.5,
    )
