"""NRC1 [RU26, Table 1] and ranks of a spectrum [RU26, Figure 3; Roy & Vetterli 2007]."""

import numpy as np

from reference.features import covariance_eigenvalues


def _ratio(numerator, denominator):
    return float(numerator / denominator) if denominator > 0 else float("nan")


def noise_component(H, k, *, centered=True):
    """NRC1: Σ_{i>k} λ_i / Σ_i λ_i, summed over the tail, as 1 − head would lose all below 1e-16."""
    eigenvalues = covariance_eigenvalues(H, centered=centered)
    return _ratio(eigenvalues[k:].sum(), eigenvalues.sum())


def stable_rank(H):
    """‖H_c‖_F² / ‖H_c‖_2² = Tr Σ / λ_1."""
    eigenvalues = covariance_eigenvalues(H)
    return _ratio(eigenvalues.sum(), eigenvalues[0])


def covariance_stable_rank(H):
    """‖Σ‖_F² / ‖Σ‖_2² = Σλ² / λ_1², what [RU26, Figure 3] calls the stable rank of H."""
    eigenvalues = covariance_eigenvalues(H)
    return _ratio((eigenvalues**2).sum(), eigenvalues[0] ** 2)


def entropy_rank(H):
    """exp(−Σ p log p), p = λ/Σλ, with 0 log 0 = 0."""
    eigenvalues = covariance_eigenvalues(H)
    if eigenvalues.sum() == 0:
        return float("nan")
    p = eigenvalues / eigenvalues.sum()
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def participation_ratio(H):
    """(Σλ)² / Σλ²."""
    eigenvalues = covariance_eigenvalues(H)
    return _ratio(eigenvalues.sum() ** 2, (eigenvalues**2).sum())


def weight_stable_rank(W):
    """‖W‖_F² / ‖W‖_2²."""
    W = np.asarray(W, dtype=np.float64)
    return _ratio((W**2).sum(), np.linalg.norm(W, 2) ** 2)


def energy_rank(H, fraction=0.99):
    """Smallest r with Σ_{i≤r} λ_i ≥ fraction · Σ_i λ_i."""
    eigenvalues = covariance_eigenvalues(H)
    if eigenvalues.sum() == 0:
        return float("nan")
    head = np.cumsum(eigenvalues)
    for r in range(1, len(head) + 1):
        if head[r - 1] >= fraction * head[-1]:
            return r
    raise ValueError(f"fraction must be at most 1, got {fraction}")
