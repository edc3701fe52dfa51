"""Problems with a known answer: prescribed spectra, and a collapsed layer [RU26, Table 1]."""

import numpy as np


def orthonormal(rng, rows, columns):
    """A random rows × columns matrix with orthonormal columns."""
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def centered_orthonormal(rng, N, k):
    """The same with columns of mean 0 as well; k ≤ N − 1."""
    if k > N - 1:
        raise ValueError(f"N = {N} centred rows span at most {N - 1} directions, got {k}")
    Z = rng.standard_normal((N, k))
    return np.linalg.qr(Z - Z.mean(axis=0))[0]  # the columns stay in the span of centred columns


def features_with_spectrum(rng, N, d, eigenvalues, mean=0.0):
    """H (N × d) whose centred covariance has these eigenvalues, and zeros up to d."""
    eigenvalues = np.asarray(eigenvalues, dtype=np.float64)
    k = len(eigenvalues)
    left = centered_orthonormal(rng, N, k)
    return np.sqrt(N) * left * np.sqrt(eigenvalues) @ orthonormal(rng, d, k).T + mean


def collapsed_problem(
    rng, N, d, t, noise, *, width_out=None, feature_mean=0.0, target_mean=0.0, target_variances=None
):
    """(H, Y, W): H = Y_c Bᵀ + noise of that standard deviation, W = C Bᵀ, B and C orthonormal.

    Σ_Y has the eigenvalues `target_variances` (ones). W is width_out × d with width_out ≥ t; by
    default t × d with C = I, so that H Wᵀ is Y_c up to the noise.
    """
    variances = np.ones(t) if target_variances is None else target_variances
    Y = features_with_spectrum(rng, N, t, variances)
    B = orthonormal(rng, d, t)
    C = np.eye(t) if width_out is None else orthonormal(rng, width_out, t)
    H = Y @ B.T + noise * rng.standard_normal((N, d))
    return H + feature_mean, Y + target_mean, C @ B.T
