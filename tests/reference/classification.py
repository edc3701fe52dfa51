"""Neural collapse NC1–4 [RU26, Table 1, left; P20], class by class and pair by pair."""

import itertools

import numpy as np

from reference.features import center, right_singular


def class_means(H, labels, C):
    """μ_c, C × d."""
    return np.array([H[labels == c].mean(axis=0) for c in range(C)])


def scatters(H, labels, C):
    """Σ_W and Σ_B, both d × d, divided by N; Σ_B about the mean of all rows."""
    means, total = class_means(H, labels, C), H.mean(axis=0)
    within, between = np.zeros((H.shape[1],) * 2), np.zeros((H.shape[1],) * 2)
    for h, label in zip(H, labels, strict=True):
        within += np.outer(h - means[label], h - means[label]) / len(H)
        between += np.outer(means[label] - total, means[label] - total) / len(H)
    return within, between


def within_class_share(H, labels, C):
    """NC1: Tr Σ_W/Tr Σ_T."""
    within, _ = scatters(H, labels, C)
    return float(np.trace(within) / (center(H) ** 2).sum() * len(H))


def within_between_ratio(H, labels, C):
    """NC1 of [P20]: Tr(Σ_W Σ_B⁺)/C, the pseudo-inverse of rank C − 1."""
    within, between = scatters(H, labels, C)
    values, vectors = np.linalg.eigh(between)
    rank = min(C - 1, H.shape[1])
    values, vectors = values[-rank:], vectors[:, -rank:]
    return float(np.trace(within @ vectors @ np.diag(1 / values) @ vectors.T) / C)


def class_distance_variance(H, labels, C):
    """CDNV [G21]: mean over pairs of (v_a + v_b)/(2‖μ_a − μ_b‖²)."""
    means = class_means(H, labels, C)
    variances = [np.mean([np.sum((h - means[c]) ** 2) for h in H[labels == c]]) for c in range(C)]
    return float(
        np.mean(
            [
                (variances[a] + variances[b]) / (2 * np.sum((means[a] - means[b]) ** 2))
                for a, b in itertools.combinations(range(C), 2)
            ]
        )
    )


def centred_means(H, labels, C):
    means = class_means(H, labels, C)
    return means - means.mean(axis=0)


def simplex_distance(H, labels, C):
    """NC2: ‖MMᵀ/‖MMᵀ‖ − (I − 11ᵀ/C)/√(C − 1)‖_F."""
    M = centred_means(H, labels, C)
    gram = M @ M.T
    simplex = (np.eye(C) - np.ones((C, C)) / C) / np.sqrt(C - 1)
    return float(np.linalg.norm(gram / np.linalg.norm(gram) - simplex))


def class_norm_variation(H, labels, C):
    """NC2, equal norms [P20, Figure 2]."""
    norms = [np.linalg.norm(m) for m in centred_means(H, labels, C)]
    return float(np.std(norms) / np.mean(norms))


def class_angle_deviation(H, labels, C):
    """NC2, angles [P20, Figure 4]: mean of |cos + 1/(C − 1)|."""
    M = centred_means(H, labels, C)
    cosines = [
        M[a] @ M[b] / np.linalg.norm(M[a]) / np.linalg.norm(M[b])
        for a, b in itertools.combinations(range(C), 2)
    ]
    return float(np.mean([abs(x + 1 / (C - 1)) for x in cosines]))


def class_weight_alignment(H, labels, C, W):
    """NC3 at any layer: mean cosine between the span of the means and the top of W's row space."""
    k = min(C - 1, H.shape[1], np.linalg.matrix_rank(W))
    means = right_singular(centred_means(H, labels, C))[1][:, : min(C - 1, H.shape[1])]
    read = right_singular(W)[1][:, :k]
    return float(np.linalg.svd(means.T @ read, compute_uv=False)[:k].clip(max=1).mean())


def class_weight_cosine(H, labels, C, W):
    """NC3 at the last layer: mean cosine between a class's mean and its row of W."""
    M = centred_means(H, labels, C)
    return float(
        np.mean([m @ w / np.linalg.norm(m) / np.linalg.norm(w) for m, w in zip(M, W, strict=True)])
    )


def nearest_mean(H, labels, C):
    """Class whose mean is nearest to each row, the first of equals."""
    means = class_means(H, labels, C)
    return np.array([int(np.argmin([np.sum((h - m) ** 2) for m in means])) for h in H])
