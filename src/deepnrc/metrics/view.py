"""`LayerView`: what the metrics see of a layer; `Undefined`: a metric without a value."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.linalg.spectra import (
    SMALLEST_SQUARE,
    Spectrum,
    numerical_rank,
    right_spectrum,
    symmetric_spectrum,
    unit_spectrum,
)
from deepnrc.moments.record import Moments
from deepnrc.support.undefined import Undefined

__all__ = ["LayerView", "Undefined"]


@dataclass(frozen=True)
class LayerView:
    """One layer as the metrics see it.

    Attributes:
        moments: Joint moments of features and targets.
        weight: W, p × d, the matrix that the layer applies; undefined where it applies none.
        signal_rank: k, the dimension of the signal subspace asked for (t by default).
        center: Whether the noise component and the alignments use the centred second moment.
        intercept: Whether the linear prediction has one.
        rcond: Singular values of the features below this share of the largest are dropped in the
            linear prediction; None or 0 keeps every direction that the moments resolve.
        feature_eps: Machine epsilon of the features' own dtype.
        weight_eps: Machine epsilon of the weight's own dtype.
    """

    moments: Moments
    weight: Float64[Tensor, "p d"] | Undefined
    signal_rank: int
    center: bool = True
    intercept: bool = True
    rcond: float | None = None
    feature_eps: float = torch.finfo(torch.float64).eps
    weight_eps: float = torch.finfo(torch.float64).eps

    @property
    def width(self) -> int:
        """Width of the layer, d."""
        return self.moments.feature_dim

    @cached_property
    def covariance_spectrum(self) -> Spectrum:
        """Spectrum of Σ_H."""
        return symmetric_spectrum(self.moments.feature_covariance)

    @cached_property
    def signal_spectrum(self) -> Spectrum:
        """Spectrum that defines the signal subspace: of Σ_H, or of the uncentred second moment."""
        return self.covariance_spectrum if self.center else self.second_moment_spectrum

    @property
    def second_moment(self) -> Float64[Tensor, "d d"]:
        """HᵀH / N, not centred."""
        mean = self.moments.feature_mean
        return self.moments.feature_covariance + torch.outer(mean, mean)

    @cached_property
    def second_moment_spectrum(self) -> Spectrum:
        """Spectrum of `second_moment`."""
        return symmetric_spectrum(self.second_moment)

    @cached_property
    def scaled_spectrum(self) -> Spectrum:
        """Spectrum of the moment that the linear prediction uses, its features scaled to 1."""
        centred = self.intercept
        return unit_spectrum(self.moments.feature_covariance if centred else self.second_moment)

    @cached_property
    def weight_spectrum(self) -> Spectrum:
        """Singular values of W and its directions in feature space."""
        return right_spectrum(self.matrix, leading=self.signal_rank)

    @cached_property
    def weight_rank(self) -> int:
        """Numerical rank of W at its own dtype's rounding."""
        # Rounding the entries of a half-precision weight moves singular values by about eps of the
        # largest; the usual bound, eps times the width, would exceed 1 and leave no rank at all.
        half = self.weight_eps > 1e-4
        rtol = self.weight_eps * (2 if half else max(self.matrix.shape))
        return numerical_rank(self.weight_spectrum.values, rtol=rtol)

    @cached_property
    def feature_rank(self) -> int:
        """Numerical rank of the second moment that defines the signal subspace."""
        rtol = 4 * self.width * torch.finfo(torch.float64).eps
        return numerical_rank(self.signal_spectrum.values, rtol=rtol)

    @property
    def signal_dim(self) -> int:
        """Dimension of the signal subspace: k, capped by the width."""
        return min(self.signal_rank, self.width)

    @property
    def alignment_rank(self) -> int:
        """k capped by the width and by the ranks of features and weight.

        Directions beyond these are arbitrary.
        """
        return min(self.signal_dim, self.feature_rank, self.weight_rank)

    @cached_property
    def constant_features(self) -> Undefined | None:
        """Why the features have no variance beyond rounding; None if they have."""
        moments = self.moments
        if moments.count < 2:
            return Undefined("one sample has no variance")
        if undefined := self.underflow:
            return undefined
        variance = float(moments.feature_covariance.diagonal().sum())
        if variance == 0.0:
            if bool((moments.feature_mean == 0).all()):
                return Undefined("the layer is dead: its features are 0 for every sample")
            return Undefined("the features are the same for every sample")
        # Unit by unit: one large constant unit says nothing of the variance of the others.
        rounding = (2 * self.feature_eps * moments.feature_mean).square()
        if bool((moments.feature_covariance.diagonal() <= rounding).all()):
            return Undefined(
                "the features are the same for every sample, to the rounding of their dtype"
            )
        return None

    @cached_property
    def underflow(self) -> Undefined | None:
        """Why the features' squares are too small for float64; None if they are not."""
        size = max(
            float(self.second_moment.diagonal().max()) ** 0.5,
            float(self.moments.feature_mean.abs().max()),
        )
        if size == 0.0 or size >= SMALLEST_SQUARE**0.5:
            return None
        return Undefined(
            f"the features are at most about {size:.0e}, so that their squares underflow float64: "
            "scale them up"
        )

    @property
    def constant_signal(self) -> Undefined | None:
        """Why the moment that defines the signal subspace is 0; None if it is not.

        Uncentred, a mean is signal too.
        """
        if self.center or self.moments.count < 2 or bool((self.moments.feature_mean == 0).all()):
            return self.constant_features
        return self.underflow

    @cached_property
    def constant_targets(self) -> Undefined | None:
        """Why the targets have no variance; None if they have."""
        if self.moments.count < 2:
            return Undefined("one sample has no variance")
        if float(self.moments.target_covariance.diagonal().sum()) == 0.0:
            return Undefined("the targets are the same for every sample")
        return None

    @property
    def matrix(self) -> Float64[Tensor, "p d"]:
        """W where it is known, which `zero_weight` tells."""
        assert not isinstance(self.weight, Undefined)
        return self.weight

    @property
    def zero_weight(self) -> Undefined | None:
        """Why the weight reads nothing; None if it is known and not 0."""
        if isinstance(self.weight, Undefined):
            return self.weight
        return Undefined("the weight is 0") if self.weight_rank == 0 else None
