"""NRC3 and noise alignment [RU26, Table 1 and Figure 3] by principal angles [BG73]."""

import itertools

import numpy as np
from scipy.linalg import subspace_angles

from reference.features import center, right_singular, top_subspace


def mean_cosine(A, B):
    """Mean cosine of the min(k, m) principal angles of two column spaces; NaN if one is {0}."""
    if A.shape[1] == 0 or B.shape[1] == 0:
        return float("nan")
    return float(np.cos(subspace_angles(A, B)).mean())


def weight_input_basis(W, k):
    """V_k (d × k): top-k right singular vectors of W (p × d)."""
    return right_singular(W)[1][:, :k]


def _capped(k, W):
    """The k in use: no more than d or rank W, as V_k is arbitrary beyond that."""
    W = np.asarray(W, dtype=np.float64)
    return min(k, W.shape[1], np.linalg.matrix_rank(W))


def feature_weight_alignment(H, W, k, *, centered=True):
    """NRC3: (1/k) Σ_i σ_i(U_kᵀ V_k)."""
    k = _capped(k, W)
    return mean_cosine(top_subspace(H, k, centered=centered), weight_input_basis(W, k))


def noise_weight_alignment(H, W, r):
    """Mean cosine between V_r and the bottom d − r eigenvectors of Σ_H: min(r, d − r) angles."""
    r = _capped(r, W)
    noise = right_singular(center(H))[1][:, r:]
    return mean_cosine(noise, weight_input_basis(W, r))


def conv_weight_matrix(weight, groups=1, transposed=False):
    """W (c_out·k… × c_in) of a convolution: one row per output channel and kernel position.

    The weight is (out, in/groups, *k), or (in, out/groups, *k) when transposed.
    """
    weight = np.asarray(weight, dtype=np.float64)
    kernel = list(itertools.product(*(range(size) for size in weight.shape[2:])))
    if transposed:
        c_in, out_per_group = weight.shape[:2]
        c_out, in_per_group = out_per_group * groups, c_in // groups
    else:
        c_out, in_per_group = weight.shape[:2]
        c_in, out_per_group = in_per_group * groups, c_out // groups
    matrix = np.zeros((c_out * len(kernel), c_in))
    for group in range(groups):
        for o in range(out_per_group):
            for i in range(in_per_group):
                out, inp = group * out_per_group + o, group * in_per_group + i
                for position, index in enumerate(kernel):
                    entry = weight[(inp, o, *index)] if transposed else weight[(out, i, *index)]
                    matrix[out * len(kernel) + position, inp] = entry
    return matrix


def random_alignment(d, k, draws, seed):
    """Chance level of NRC3: mean over pairs of independent uniform k-dimensional subspaces."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(draws):
        A, _ = np.linalg.qr(rng.standard_normal((d, k)))
        B, _ = np.linalg.qr(rng.standard_normal((d, k)))
        total += mean_cosine(A, B)
    return total / draws
