"""Centring and spectrum of the features by dense SVD [RU26, section 3: Σ_H, U_k]."""

import numpy as np


def center(H):
    """H_c (N × d): each column less its mean."""
    H = np.asarray(H, dtype=np.float64)
    centered = H - H.mean(axis=0)
    # The mean is known to 1e-16 of its own size. When it is 1e6 standard deviations, that error is
    # 1e-10 of the data or more, the same in every row: the mean of the result, subtracted too. It
    # also brings a constant column from 1e-17 to exactly 0.
    return centered - centered.mean(axis=0)


def right_singular(A):
    """All d singular values of A, and the d × d matrix with the right singular vectors as columns.

    Rows of zeros change neither; with d of them the thin SVD is complete even when N < d.
    """
    A = np.asarray(A, dtype=np.float64)
    d = A.shape[1]
    _, singular_values, Vt = np.linalg.svd(np.vstack([A, np.zeros((d, d))]), full_matrices=False)
    return singular_values, Vt.T


def top_subspace(H, k, *, centered=True):
    """U_k (d × k): top-k right singular vectors of H_c, or of the raw H."""
    H = np.asarray(H, dtype=np.float64)
    return right_singular(center(H) if centered else H)[1][:, :k]


def covariance_eigenvalues(H, *, centered=True):
    """λ_1 ≥ … ≥ λ_d of Σ_H = H_cᵀH_c/N, or of HᵀH/N; zeros where N < d."""
    H = np.asarray(H, dtype=np.float64)
    return right_singular(center(H) if centered else H)[0] ** 2 / len(H)
