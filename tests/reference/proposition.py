"""Both sides of [RU26, Proposition 1], with the explicit N × N projector on the targets."""

import numpy as np
from scipy.optimize import linprog

from reference.alignment import signal_target_cka
from reference.features import center
from reference.spectrum import noise_component


def proposition_1(H, Y, k):
    """(‖H_c − P_Y H_c‖_F / ‖H_c‖_F, √NRC1 + √(1 − CKA)); the first may exceed the second."""
    H_c, Y_c = center(H), center(Y)
    left, singular_values, _ = np.linalg.svd(Y_c, full_matrices=False)
    cut = max(Y_c.shape) * np.finfo(np.float64).eps * singular_values[0]
    basis = left[:, singular_values > cut]
    P_Y = basis @ basis.T
    scale = np.linalg.norm(H_c)
    lhs = float(np.linalg.norm(H_c - P_Y @ H_c) / scale) if scale > 0 else float("nan")
    misalignment = 1 - signal_target_cka(H, Y, k)
    rhs = np.sqrt(noise_component(H, k)) + np.sqrt(np.maximum(misalignment, 0.0))  # −1e-16 to 0
    return lhs, float(rhs)


def least_explained(features, targets, shared):
    """Least Σ λ_i Σ_j M_ij over doubly substochastic M with Σ λ_i μ_j M_ij = shared, by a solver.

    M_ij are the squared cosines of the i-th direction of the features and the j-th of the targets.
    """
    k, r = len(features), len(targets)
    cost = np.repeat(features, r)
    rows = [np.repeat(np.eye(k)[i], r) for i in range(k)]
    columns = [np.tile(np.eye(r)[j], k) for j in range(r)]
    solved = linprog(
        cost,
        A_ub=np.array(rows + columns),
        b_ub=np.ones(k + r),
        A_eq=[np.outer(features, targets).ravel()],
        b_eq=[shared],
    )
    assert solved.success, solved.message
    return float(solved.fun)
