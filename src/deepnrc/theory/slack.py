"""Theory beside a real network: how far its last layer is from the model's optimum, and why.

The excess of a network's loss over L* splits in two: what better features could win for its own W
(feature slack), and what a better W could win with the best features (head slack).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.theory.covariance import (
    MatrixLike,
    covariance_spectrum,
    covariance_tolerance,
    matrix,
    penalty,
    square_matrix,
)
from deepnrc.theory.ufm import UFMOptimum, ufm_optimum

__all__ = [
    "TheoryGap",
    "c_from_error",
    "c_from_gram",
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
        feature_slack: loss − F(W) ≥ 0: the features are not free, or not trained to the end.
        head_slack: F(W) − L* ≥ 0: W is not the theory's.
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

    F(W) = (λ_H/2) Tr(Σ (WWᵀ + λ_H I)⁻¹) + (λ_W/2)‖W‖²; with λ_H = 0, what W's column space
    misses of Σ takes the first term's place.

    Args:
        weight: W, t × d.
        target_covariance: Σ_Y, t × t; without a bias, the second moment of the targets.
        lambda_h: λ_H ≥ 0.
        lambda_w: λ_W ≥ 0.

    Raises:
        ArgumentError: Not a covariance, W has another number of rows, or a penalty is negative
            or infinite.
    """
    W, covariance = _pair(weight, target_covariance)
    lambda_h, lambda_w = _finite(lambda_h, "lambda_h"), _finite(lambda_w, "lambda_w")
    spectrum = symmetric_spectrum(W @ W.T)
    g = spectrum.values
    unseen = (g <= covariance_tolerance(g)).double()
    missed = lambda_h / (g + lambda_h) if lambda_h > 0 else unseen
    along = ((covariance @ spectrum.vectors) * spectrum.vectors).sum(dim=0)
    return float((missed * along).sum() + lambda_w * g.sum()) / 2


def relative_gram_error(weight: MatrixLike, optimum: UFMOptimum) -> float:
    """‖WWᵀ − G*‖_F/‖G*‖_F; 0 = the theory's W up to a rotation. NaN where G* is 0 or undefined."""
    W = matrix(weight, "weight")
    if len(W) != optimum.target_dim:
        raise ArgumentError(f"weight must have {optimum.target_dim} rows, got {len(W)}")
    size = float(torch.linalg.matrix_norm(optimum.gram))
    if not size > 0:
        return math.nan
    return float(torch.linalg.matrix_norm(W @ W.T - optimum.gram)) / size


def c_from_gram(weight: MatrixLike, target_covariance: MatrixLike) -> float:
    """The c whose optimum has a Gram matrix of the shape of this WWᵀ, whatever λ_H/λ_W.

    Fits uᵢᵀWWᵀuᵢ = a(√s_i − √c) by least squares over the leading rank(W) eigenvectors of Σ.

    Returns:
        c ≥ 0. NaN where it is not determined: fewer than two directions or equal eigenvalues; or
        where no c gives this shape (the Gram matrix is flatter than Σ^{1/2}, or falls where that
        rises).
    """
    W, covariance = _pair(weight, target_covariance)
    spectrum = covariance_spectrum(covariance, "target_covariance")
    gram = W @ W.T
    values = symmetric_spectrum(gram).values
    rank = int((values > covariance_tolerance(values)).sum())
    basis = spectrum.top(rank)
    root = spectrum.values[:rank].sqrt()
    if rank < 2 or float(root[0] - root[-1]) <= 1e-8 * float(root[0]):
        return math.nan
    size = ((gram @ basis) * basis).sum(dim=0)
    centred = root - root.mean()
    slope = float(centred @ size) / float(centred @ centred)
    root_c = float(root.mean()) - float(size.mean()) / slope if slope > 0 else math.nan
    # What rounding leaves below 0 is 0.
    return max(root_c, 0.0) ** 2 if root_c >= -1e-8 * float(root[0]) else math.nan


def c_from_error(mse: float, target_covariance: MatrixLike) -> float:
    """The c whose optimum has this training error: Σ min(c, s_i) = mse.

    Args:
        mse: Mean squared error summed over targets, ≥ 0.
        target_covariance: Σ_Y, t × t.

    Returns:
        c in [0, s_1). NaN where the error is not below the targets' variance: any c ≥ s_1 gives
        that.
    """
    covariance = square_matrix(target_covariance, "target_covariance")
    s = covariance_spectrum(covariance, "target_covariance").values
    if not mse >= 0:
        raise ArgumentError(f"mse must be 0 or positive, got {mse}")
    if mse >= float(s.sum()):
        return math.nan
    dropped = 0.0
    for i in reversed(range(len(s))):  # s_i is dropped while c lies above it
        c = (mse - dropped) / (i + 1)
        if c < float(s[i]):
            return c
        dropped += float(s[i])
    return math.nan


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
        ArgumentError: As `ufm_optimum` and `profiled_objective`.

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


def _pair(weight: MatrixLike, target_covariance: MatrixLike) -> tuple[Tensor, Tensor]:
    W = matrix(weight, "weight")
    covariance = square_matrix(target_covariance, "target_covariance")
    if len(W) != len(covariance):
        raise ArgumentError(
            f"weight must be t × d with t = {len(covariance)}, as the covariance has, got "
            f"{tuple(W.shape)}"
        )
    covariance_spectrum(covariance, "target_covariance")
    return W, covariance


def _finite(value: float, name: str) -> float:
    if value == math.inf:
        raise ArgumentError(f"{name} must be finite to be charged to a given W, got {value}")
    return penalty(value, name)
