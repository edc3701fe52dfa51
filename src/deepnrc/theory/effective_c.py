"""The c = λ_H λ_W that a trained last layer implies: by its Gram matrix, and by its error."""

import math

from deepnrc.linalg.spectra import symmetric_spectrum
from deepnrc.theory.arguments import MatrixLike, matrix, penalty
from deepnrc.theory.covariance import covariance_spectrum, rounding

__all__ = ["c_from_error", "c_from_gram"]


def c_from_gram(weight: MatrixLike, target_covariance: MatrixLike) -> float:
    """The c whose optimum has a Gram matrix proportional to this WWᵀ, whatever λ_H/λ_W.

    Fits uᵢᵀWWᵀuᵢ = a(√s_i − √c) by least squares over the leading rank(W) eigenvectors of Σ.

    Returns:
        c ≥ 0. NaN where it is not determined (fewer than two directions, or equal eigenvalues) or
        no c gives this shape (the Gram matrix is flatter than Σ^{1/2}, or falls where that rises).

    Raises:
        ArgumentError: Σ_Y is not a covariance, or W has another number of rows.
    """
    covariance, spectrum = covariance_spectrum(target_covariance)
    W = matrix(weight, "weight", rows=len(covariance))
    gram = W @ W.T
    values = symmetric_spectrum(gram).values
    rank = int((values > rounding(values)).sum())
    basis = spectrum.top(rank)
    root = spectrum.values[:rank].sqrt()
    if rank < 2 or float(root[0] - root[-1]) <= 1e-8 * float(root[0]):
        return math.nan
    size = ((gram @ basis) * basis).sum(dim=0)
    centred = root - root.mean()
    slope = float(centred @ size) / float(centred @ centred)
    root_c = float(root.mean()) - float(size.mean()) / slope if slope > 0 else math.nan
    # Slightly below 0 is rounding.
    return max(root_c, 0.0) ** 2 if root_c >= -1e-8 * float(root[0]) else math.nan


def c_from_error(mse: float, target_covariance: MatrixLike) -> float:
    """The c whose optimum has this training error: Σ min(c, s_i) = mse.

    Args:
        mse: Mean squared error summed over targets, ≥ 0.
        target_covariance: Σ_Y, t × t.

    Returns:
        c in [0, s_1). NaN where the error is not below the targets' variance, which any c ≥ s_1
        gives.

    Raises:
        ArgumentError: Σ_Y is not a covariance, or the error is negative.
    """
    _, spectrum = covariance_spectrum(target_covariance)
    s = spectrum.values
    mse = penalty(mse, "mse")
    if mse >= float(s.sum()):
        return math.nan
    dropped = 0.0
    for i in reversed(range(len(s))):  # s_i is dropped while c is above it
        c = (mse - dropped) / (i + 1)
        if c < float(s[i]):
            return c
        dropped += float(s[i])
    return math.nan
