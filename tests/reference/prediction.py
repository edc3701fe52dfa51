"""NRC4 [RU26, Table 1]: error of the least-squares prediction of Y from H, by SVD of H."""

import numpy as np

from reference.features import center


def linear_prediction_mse(H, Y, *, intercept=True, rcond=None):
    """Mean over all N·t entries of the minimum-norm least-squares residual, squared.

    Singular values below rcond × the largest are dropped; without an rcond, columns are scaled to
    length 1 and what is below float64's rounding is. With an intercept both sides are centred;
    without, both are raw.
    """
    H, Y = np.asarray(H, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    if intercept:
        H, Y = center(H), center(Y)
    if rcond is None:
        lengths = np.linalg.norm(H, axis=0)
        H, rcond = H / np.where(lengths > 0, lengths, 1), max(H.shape) * np.finfo(float).eps
    left, singular_values, right = np.linalg.svd(H, full_matrices=False)
    kept = (singular_values > 0) & (singular_values >= rcond * singular_values[0])
    coefficients = right[kept].T @ np.diag(1 / singular_values[kept]) @ left[:, kept].T @ Y
    return model_mse(H @ coefficients, Y)


def linear_r2(H, Y, *, intercept=True, rcond=None):
    """1 − MSE·t / Tr Σ_Y, pooled over targets; Σ_Y is centred with and without intercept."""
    variance = (center(Y) ** 2).mean()  # Tr Σ_Y / t
    if variance == 0:
        return float("nan")
    return float(1 - linear_prediction_mse(H, Y, intercept=intercept, rcond=rcond) / variance)


def model_mse(P, Y):
    """Mean over all N·t entries of (P − Y)², as PyTorch's MSELoss."""
    P, Y = np.asarray(P, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    return float(((P - Y) ** 2).mean())
