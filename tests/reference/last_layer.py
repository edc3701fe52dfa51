"""2024's NRC1–3 at the last layer [A24, section 3], row by row, and what goes beside them.

Not Deep NRC's conditions of the same names. A row h = 0 has no direction and is left out.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from reference.features import center, right_singular, top_subspace


def unit_rows(H, *, centered):
    """h̃ = h/‖h‖ of each row that is not 0, of H or of H less its mean."""
    rows = center(H) if centered else np.asarray(H, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    return rows[lengths > 0] / lengths[lengths > 0, None]


def _mean_distance(rows, basis):
    """Mean of ‖h̃ − Ph̃‖² over the rows, P onto the basis; NaN without rows."""
    distances = [np.sum((row - basis @ (basis.T @ row)) ** 2) for row in rows]
    return float(np.mean(distances)) if distances else float("nan")


def feature_pca_residual(H, t, *, centered=False):
    """NRC1 (2024): unit rows off the top-t principal components of the centred features.

    ``centered=False`` is the variant ``paper2024`` (uncentred h̃), True is ``centred``.
    """
    return _mean_distance(unit_rows(H, centered=centered), top_subspace(H, t))


def feature_weight_residual(H, W, *, centered=False):
    """NRC2 (2024): unit rows off the row space of W (t × d), of the rank W has."""
    W = np.asarray(W, dtype=np.float64)
    basis = right_singular(W)[1][:, : np.linalg.matrix_rank(W)]
    return _mean_distance(unit_rows(H, centered=centered), basis)


def covariance_root(covariance):
    """S = Σ_Y^{1/2}, the symmetric root."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def gram_residual(W, covariance, gamma):
    """NRC3(γ) (2024): ‖ G/‖G‖ − (S − √γ I)/‖S − √γ I‖ ‖²; NaN for t = 1."""
    W = np.asarray(W, dtype=np.float64)
    t = len(W)
    if t == 1:
        return float("nan")
    G, A = W @ W.T, covariance_root(covariance) - np.sqrt(gamma) * np.eye(t)
    return float(np.linalg.norm(G / np.linalg.norm(G) - A / np.linalg.norm(A)) ** 2)


def best_gamma(W, covariance, *, points=2001):
    """γ in [0, λ_min(Σ_Y)] with the least NRC3: the best of a fine grid, then refined."""
    largest = max(float(np.linalg.eigvalsh(covariance)[0]), 0.0)
    grid = np.linspace(0.0, np.sqrt(largest), points)  # of √γ
    values = [gram_residual(W, covariance, root**2) for root in grid]
    i = int(np.argmin(values))
    low, high = grid[max(i - 1, 0)], grid[min(i + 1, points - 1)]
    refined = minimize_scalar(
        lambda root: gram_residual(W, covariance, root**2),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-14},
    )
    return float(min((values[i], grid[i]), (refined.fun, refined.x))[1] ** 2)


def explained_variance_ratio(H, k):
    """EVR_k: share of the features' variance along the k-th principal component, k from 1."""
    variances = right_singular(center(H))[0] ** 2
    return float(variances[k - 1] / variances.sum())


def pooled_r2(Y, predictions):
    """1 − Σ‖y − ŷ‖²/Σ‖y − ȳ‖² over all samples and targets."""
    Y = np.asarray(Y, dtype=np.float64)
    return float(1 - np.sum((Y - predictions) ** 2) / np.sum(center(Y) ** 2))


def r2_by_target(Y, predictions):
    """The same for each target alone."""
    return [pooled_r2(Y[:, [k]], np.asarray(predictions)[:, [k]]) for k in range(Y.shape[1])]
