"""The unconstrained feature model [A24, section 4; A25], written out, and random problems of it."""

from dataclasses import dataclass

import numpy as np


def objective(H, W, b, Y, lambda_h, lambda_w):
    """(1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖², sample by sample."""
    N = len(Y)
    loss = lambda_w / 2 * sum(w**2 for row in W for w in row)
    for h, y in zip(H, Y, strict=True):
        loss += np.sum((W @ h + b - y) ** 2) / (2 * N) + lambda_h / (2 * N) * np.sum(h**2)
    return float(loss)


def best_features(W, b, Y, lambda_h):
    """For each sample the h that minimizes ½‖Wh + b − y‖² + (λ_H/2)‖h‖²."""
    d = W.shape[1]
    return np.array([np.linalg.solve(W.T @ W + lambda_h * np.eye(d), W.T @ (y - b)) for y in Y])


def gram(covariance, lambda_h, lambda_w):
    """√(λ_H/λ_W) Σ_i [√s_i − √c]₊ u_i u_iᵀ, direction by direction."""
    values, vectors = np.linalg.eigh(covariance)
    result = np.zeros_like(vectors)
    for s, u in zip(values, vectors.T, strict=True):
        kept = max(np.sqrt(max(s, 0)) - np.sqrt(lambda_h * lambda_w), 0)
        result += np.sqrt(lambda_h / lambda_w) * kept * np.outer(u, u)
    return result


def mse(covariance, c):
    """Σ min(c, s_i)."""
    return float(sum(min(c, s) for s in np.linalg.eigvalsh(covariance)))


def mse_after_transform(Y, P, c):
    """Train on the rows P y, map the predictions back by P⁻¹, take the error in original units."""
    mean = Y.mean(axis=0)
    Z = (Y - mean) @ P.T
    values, vectors = np.linalg.eigh(Z.T @ Z / len(Z))
    shrink = [max(1 - np.sqrt(c / s), 0) if s > 1e-14 else 0 for s in values]
    predictions = Z @ vectors @ np.diag(shrink) @ vectors.T
    back = predictions @ np.linalg.inv(P).T + mean
    return float(np.sum((Y - back) ** 2) / len(Y))


def targets(covariance, mean=0.0):
    """Few rows with exactly this covariance (divided by N) and mean."""
    t = len(covariance)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    return np.sqrt(t) * np.vstack([root.T, -root.T]) + mean


@dataclass(frozen=True)
class Problem:
    covariance: np.ndarray
    mean: np.ndarray
    lambda_h: float
    lambda_w: float
    bias: bool
    width: int


def random_problem(rng):
    """Any Σ (also singular, with equal or nearly equal eigenvalues), penalties, regime and width.

    In every sixth c equals an eigenvalue of the fitted matrix, to rounding.
    """
    t = int(rng.integers(1, 7))
    s = rng.exponential(size=t) * 10 ** rng.uniform(-2, 2)
    kind = rng.integers(5)
    if kind == 0:
        s[int(rng.integers(1, t + 1)) :] = 0  # singular
    elif kind == 1:
        s[:] = s[0]  # all equal
    elif kind == 2:
        s[-1] = s[0] * (1 + 1e-7)  # nearly equal
    Q = np.linalg.qr(rng.standard_normal((t, t)))[0]
    covariance = (Q * s) @ Q.T
    bias = bool(rng.integers(2))
    mean = rng.standard_normal(t) * np.sqrt(s[0])
    fitted = covariance + (0 if bias else np.outer(mean, mean))
    values = np.linalg.eigvalsh(fitted)[::-1]
    c = values[0] * 10 ** rng.uniform(-6, 0.5)
    if rng.integers(6) == 0:
        c = rng.choice(values[values > 1e-6 * values[0]])
    ratio = 10 ** rng.uniform(-3, 3)
    return Problem(
        covariance=(covariance + covariance.T) / 2,
        mean=mean,
        lambda_h=float(np.sqrt(c) * ratio),
        lambda_w=float(np.sqrt(c) / ratio),
        bias=bias,
        width=t + int(rng.integers(0, 4)),
    )
