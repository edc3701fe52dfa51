"""A real network beside the theory: how far its last layer is from the optimum, and why.

The excess of a network's loss over L* has two parts: what better features would gain with its own W
(feature slack), and what a better W would gain with the best features (head slack).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.theory.arguments import MatrixLike, matrix, penalty
from deepnrc.theory.covariance import covariance_spectrum, rounding
from deepnrc.theory.effective_c import c_from_error, c_from_gram
from deepnrc.theory.optimum import UFMOptimum
from deepnrc.theory.text import aligned
from deepnrc.theory.ufm import ufm_optimum

__all__ = [
    "TheoryGap",
    "objective",
    "profiled_objective",
    "relative_gram_error",
    "theory_gap",
]


@dataclass(frozen=True)
class TheoryGap:
    """A network's last layer against the unconstrained feature model.

    Attributes:
        optimum: What the theory says for these targets and penalties.
        loss: The network's own objective.
        profiled_loss: F(W), the least objective any features could reach with this W.
        feature_slack: loss − F(W) ≥ 0. Positive: the features are not free, or not fully trained.
        head_slack: F(W) − L* ≥ 0. Positive: W is not the theory's.
        relative_gram_error: ‖WWᵀ − G*‖/‖G*‖ in the Frobenius norm; 0 = the theory's W up to a
            rotation of the features. NaN where G* is 0 or not determined.
        effective_c: The c whose optimum has the shape of this WWᵀ, see `c_from_gram`.
        error_c: The c whose optimum has this training error, see `c_from_error`.
        undefined: Reasons, by the name of the field that is NaN.
    """

    optimum: UFMOptimum
    loss: float
    profiled_loss: float
    feature_slack: float
    head_slack: float
    relative_gram_error: float
    effective_c: float
    error_c: float
    undefined: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Losses, slacks, Gram error and both c, each with what it means or why it is undefined."""

        def line(label: str, name: str, meaning: str) -> tuple[str, float, str]:
            return label, getattr(self, name), self.undefined.get(name, meaning)

        shape = "‖WWᵀ − G*‖/‖G*‖; 0 = the theory's W up to rotation"
        lines = aligned(
            line("loss", "loss", "the network's, with its penalties"),
            ("loss L*", self.optimum.loss, "the theory's"),
            line("feature slack", "feature_slack", "what better features would gain"),
            line("head slack", "head_slack", "what a better W would gain"),
            line("Gram error", "relative_gram_error", shape),
            line("effective c", "effective_c", "whose optimum has this shape of WWᵀ"),
            line("error c", "error_c", "whose optimum has this training error"),
        )
        return "\n".join(lines)


def objective(
    weight: MatrixLike, *, mse: float, feature_energy: float, lambda_h: float, lambda_w: float
) -> float:
    """A network's objective in the theory's convention.

    ½·mse + (λ_H/2)·feature_energy + (λ_W/2)‖W‖².

    Args:
        weight: W of the last layer, t × d.
        mse: Mean squared error summed over targets: t times PyTorch's ``MSELoss``.
        feature_energy: ‖H‖²/N, the mean squared length of the last layer's features.
        lambda_h: λ_H.
        lambda_w: λ_W.
    """
    size = float(matrix(weight, "weight").square().sum())
    return (mse + lambda_h * feature_energy + lambda_w * size) / 2


def profiled_objective(
    weight: MatrixLike, target_covariance: MatrixLike, *, lambda_h: float, lambda_w: float
) -> float:
    """The least objective that features can reach with this W.

    F(W) = (λ_H/2) Tr(Σ (WWᵀ + λ_H I)⁻¹) + (λ_W/2)‖W‖²; with λ_H = 0, the first term is half the
    variance that lies outside W's column space.

    Args:
        weight: W, t × d.
        target_covariance: Σ_Y, t × t; without a bias, the second moment of the targets.
        lambda_h: λ_H ≥ 0.
        lambda_w: λ_W ≥ 0.

    Raises:
        ArgumentError: Σ_Y is not a covariance, W has another number of rows, or a penalty is
            negative or infinite.
    """
    covariance, _ = covariance_spectrum(target_covariance)
    W = matrix(weight, "weight", rows=len(covariance))
    lambda_h = penalty(lambda_h, "lambda_h", finite=True)
    lambda_w = penalty(lambda_w, "lambda_w", finite=True)
    spectrum = symmetric_spectrum(W @ W.T)
    g = spectrum.values
    unseen = (g <= rounding(g)).double()
    missed = lambda_h / (g + lambda_h) if lambda_h > 0 else unseen
    along = ((covariance @ spectrum.vectors) * spectrum.vectors).sum(dim=0)
    return float((missed * along).sum() + lambda_w * g.sum()) / 2


def relative_gram_error(weight: MatrixLike, optimum: UFMOptimum) -> float:
    """‖WWᵀ − G*‖_F/‖G*‖_F; 0 = the theory's W up to a rotation. NaN where G* is 0 or undefined."""
    W = matrix(weight, "weight", rows=optimum.target_dim)
    size = float(torch.linalg.matrix_norm(optimum.gram))
    if not size > 0:
        return math.nan
    return float(torch.linalg.matrix_norm(W @ W.T - optimum.gram)) / size


def theory_gap(
    weight: MatrixLike,
    target_covariance: MatrixLike,
    *,
    mse: float,
    feature_energy: float,
    lambda_h: float,
    lambda_w: float,
) -> TheoryGap:
    """A trained network's last layer against the optimum of the unconstrained feature model.

    Args:
        weight: W, t × d.
        target_covariance: Σ_Y of the training targets; without a last bias, their second moment.
        mse: The network's training error, summed over targets: t times PyTorch's ``MSELoss``.
        feature_energy: ‖H‖²/N, the mean squared length of the last layer's features.
        lambda_h: λ_H, from `Convention`.
        lambda_w: λ_W, from `Convention`.

    Raises:
        ArgumentError: As of `ufm_optimum` and `profiled_objective`.

    References:
        [A24] section 4; the split of the excess loss is this project's.
    """
    optimum = ufm_optimum(target_covariance, lambda_h=lambda_h, lambda_w=lambda_w)
    penalties = {"lambda_h": lambda_h, "lambda_w": lambda_w}
    loss = objective(weight, mse=mse, feature_energy=feature_energy, **penalties)
    profiled = profiled_objective(weight, target_covariance, **penalties)
    error = relative_gram_error(weight, optimum)
    by_gram, by_error = c_from_gram(weight, target_covariance), c_from_error(mse, target_covariance)
    reasons = {
        "relative_gram_error": (error, optimum.undefined.get("gram", "the optimal W is 0")),
        "effective_c": (by_gram, "no single c gives a Gram matrix of this shape"),
        "error_c": (by_error, "the error is not below the targets' variance"),
    }
    return TheoryGap(
        optimum=optimum,
        loss=loss,
        profiled_loss=profiled,
        feature_slack=loss - profiled,
        head_slack=profiled - optimum.loss,
        relative_gram_error=error,
        effective_c=by_gram,
        error_c=by_error,
        undefined={name: why for name, (value, why) in reasons.items() if math.isnan(value)},
    )
