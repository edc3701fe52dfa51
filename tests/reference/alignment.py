"""NRC2 [RU26, Table 1]: linear CKA from N × N kernels, biased HSIC [K19, section 3]."""

import numpy as np

from reference.features import center, top_subspace


def linear_cka(A, B):
    """HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)), K = AAᵀ, L = BBᵀ; NaN when one of them is constant."""
    A, B = center(A), center(B)  # J alone would leave rounding of the squared mean in the kernels
    N = len(A)
    J = np.eye(N) - np.ones((N, N)) / N
    K, L = J @ (A @ A.T) @ J, J @ (B @ B.T) @ J

    def hsic(P, Q):
        return np.trace(P @ Q) / N**2

    scale = np.sqrt(hsic(K, K)) * np.sqrt(hsic(L, L))
    return float(hsic(K, L) / scale) if scale > 0 else float("nan")


def signal_target_cka(H, Y, k):
    """NRC2: linear CKA(H_c U_k U_kᵀ, Y)."""
    U = top_subspace(H, k)
    return linear_cka(center(H) @ U @ U.T, Y)
