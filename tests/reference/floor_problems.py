"""Features and targets that are hard on rounding, and many that are not."""

import numpy as np
import torch

_KINDS = ("plain", "mixed", "low rank", "copies", "near copies", "near low rank", "rectified")


def features(rng, kind, N, d):
    """Features of a kind, of unlike units and far means now and then."""
    H = rng.standard_normal((N, d))
    half, r = d // 2, max(1, d // 3)
    if kind == "mixed":
        H = H @ rng.standard_normal((d, d))
    elif kind == "low rank":
        H = rng.standard_normal((N, r)) @ rng.standard_normal((r, d))
    elif kind == "near low rank":
        low = rng.standard_normal((N, r)) @ rng.standard_normal((r, d))
        H = low + 10 ** rng.uniform(-8, 0) * H
    elif kind == "copies":
        H[:, d - half :] = H[:, :half]
    elif kind == "near copies":
        H[:, d - half :] = H[:, :half] + 10 ** rng.uniform(-12, -1) * H[:, d - half :]
    elif kind == "rectified":
        H = np.maximum(H @ rng.standard_normal((d, d)), 0)
    if rng.random() < 0.5:
        units = 10 ** rng.uniform(-6, 6, d)
        if kind == "copies":  # stay copies
            units[d - half :] = units[:half]
        H = H * units
    if rng.random() < 0.3:
        far = rng.choice([1, 1e3, 1e6]) * np.abs(H).mean(0) * rng.standard_normal(d)
        if kind == "copies":
            far[d - half :] = far[:half]
        H = H + far
    return H


def targets(rng, H, t):
    """Unrelated ones, exact or noisy linear ones, and ones in the features' last direction."""
    scale = np.where(H.std(0) > 0, H.std(0), 1)
    Z, relation = (H - H.mean(0)) / scale, rng.integers(0, 4)
    Y = rng.standard_normal((len(H), t))
    if relation in (1, 2):
        noise = 0 if relation == 1 else 10 ** rng.uniform(-8, 0)
        Y = Z @ rng.standard_normal((H.shape[1], t)) + noise * Y
    elif relation == 3:
        last = np.linalg.svd(Z, full_matrices=False)[0][:, -1:]
        Y = last + 10 ** rng.uniform(-6, 0) * Y
    offset = rng.choice([0, 1, 100]) * 10 ** rng.uniform(-4, 4)
    return Y * 10 ** rng.uniform(-4, 4, t) + offset


def problem(rng, dtype, *, wide=False):
    """Features in a dtype and targets; from two rows to many, fewer than the width or one more."""
    kind = _KINDS[rng.integers(0, len(_KINDS))]
    d, t = int(rng.integers(1, 24)), int(rng.integers(1, 4))
    few = [rng.integers(2, max(d, 3)), d, d + 1, d + 2]
    N = int(max(2, rng.choice([*few, rng.integers(d + 2, 5 * d + 10), rng.integers(100, 300)])))
    if wide:
        N, d = int(rng.integers(1200, 2500)), int(rng.integers(129, 140))
    H = torch.as_tensor(features(rng, kind, N, d)).to(dtype).double().numpy()
    return kind, H, targets(rng, H, t)
