"""The deep linear unconstrained feature model: literal objective, brute-force optimum by direction.

A direction of the targets with singular value y contributes ½(x − y)² + (K/2) a x^{2/K} to the loss
when the product keeps x of it, with a the geometric mean of the K penalties.
"""

import math
from dataclasses import dataclass

import numpy as np

from reference.generators import orthonormal


def price(x, y, a, K):
    """Loss of one direction."""
    return 0.5 * (x - y) ** 2 + 0.5 * K * a * x ** (2 / K)


def best_kept(y, a, K):
    """The global minimizer of `price`: by a grid, then bisection of the slope about the best point.

    0 where nothing in (0, y] beats it.
    """
    grid = np.linspace(0, y, 100_001)
    at = int(np.argmin(price(grid, y, a, K)))
    if at == 0:
        return 0.0
    low, high = grid[at - 1], grid[min(at + 1, len(grid) - 1)]
    for _ in range(200):
        middle = (low + high) / 2
        slope = middle - y + a * middle ** (2 / K - 1)
        low, high = (middle, high) if slope < 0 else (low, middle)
    return (low + high) / 2 if price(high, y, a, K) < price(0.0, y, a, K) else 0.0


def objective(Y, H, weights, lambdas, lambda_h):
    """(1/2N) Σ_i (‖W_L ⋯ W_1 h_i − y_i‖² + λ_H‖h_i‖²) + Σ_l (λ_l/2)‖W_l‖², samples in rows."""
    total = 0.0
    for h, y in zip(H, Y, strict=True):
        out = h
        for W in weights:
            out = W @ out
        total += sum((out - y) ** 2) / (2 * len(Y)) + lambda_h * sum(h**2) / (2 * len(Y))
    for W, lam in zip(weights, lambdas, strict=True):
        total += lam / 2 * sum(float(entry) ** 2 for entry in W.ravel())
    return float(total)


@dataclass
class Built:
    """A problem with centred targets (N × t), its optimal features (N × d), weights and x."""

    Y: np.ndarray
    H: np.ndarray
    weights: list
    x: np.ndarray


def built_optimum(rng, centered, U, roots, lambdas, lambda_h, width):
    """The optimum, every factor taking its equal share of each direction's price.

    ``centered``: N × t, orthonormal columns; Y = √N · centered · diag(roots) · Uᵀ. Between layers
    stand random rotations.
    """
    N, t = centered.shape
    K = len(lambdas) + 1
    a = math.exp((math.log(lambda_h) + sum(math.log(lam) for lam in lambdas)) / K)
    x = np.array([best_kept(y, a, K) for y in roots])
    share = a * x ** (2 / K)
    frames = [orthonormal(rng, width, t) for _ in lambdas] + [U]
    H = math.sqrt(N) * centered @ np.diag(np.sqrt(share / lambda_h)) @ frames[0].T
    weights = [
        frames[i + 1] @ np.diag(np.sqrt(share / lam)) @ frames[i].T for i, lam in enumerate(lambdas)
    ]
    return Built(math.sqrt(N) * centered @ np.diag(roots) @ U.T, H, weights, x)


def seen_from_the_targets(weights, layer):
    """W_l W_lᵀ (l from 1) in the targets' frame: Q W_l W_lᵀ Qᵀ, Q the rotation in W_L ⋯ W_{l+1}."""
    tail = np.eye(len(weights[-1]))
    for W in reversed(weights[layer:]):
        tail = tail @ W
    left, values, right = np.linalg.svd(tail, full_matrices=False)
    live = values > 1e-9 * max(values.max(), 1e-300)
    Q = left[:, live] @ right[live]
    return Q @ weights[layer - 1] @ weights[layer - 1].T @ Q.T
