"""A network's conditions [RU26, Table 1] and its verdict, dense, from the rows of each layer.

What a layer's rows are, which layers count and in what order is given: this file judges numbers.
"""

import math
from dataclasses import dataclass

import numpy as np

from reference import alignment, prediction, spectrum, subspace
from reference.features import center, right_singular

NAMES = ("nrc1", "nrc2", "nrc3", "nrc4")


@dataclass
class Truth:
    """NRC1–4 of a layer, NaN where undefined; the gap says how well its subspace is defined."""

    nrc1: float
    nrc2: float
    nrc3: float
    nrc4: float
    nrc4_resolved: float  # of the directions that sums of squares in float64 resolve
    gap: float  # (λ_k − λ_{k+1})/λ_1, or of the weight where that is smaller
    grain: float  # rounding of the features, relative to their largest deviation
    unit_grain: float  # the same of the unit where it is largest, of those that vary


def layer_truth(H, W, Y, k, *, rcond=None, weight_eps=2.3e-16):
    """Every condition of a layer with rows H (N × d), their targets Y and the matrix W (p × d).

    W None: the layer applies no matrix, so that NRC3 is undefined.
    """
    H, Y = np.asarray(H, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    d, moving = H.shape[1], len(H) > 1 and bool(np.any(H[0] != H))
    rank = _rank(center(H), math.sqrt(4 * d * 2.3e-16)) if moving else 0
    targets_move = len(Y) > 1 and bool(np.any(Y[0] != Y))
    read = 0 if W is None else _rank(W, weight_eps * max(np.shape(W)))
    aligned = min(k, d, rank, read)
    fit = {} if rcond is None else {"rcond": rcond}
    return Truth(
        nrc1=spectrum.noise_component(H, k) if moving and k < d else math.nan,
        nrc2=alignment.signal_target_cka(H, Y, min(k, d)) if moving and targets_move else math.nan,
        nrc3=subspace.feature_weight_alignment(H, W, aligned) if 0 < aligned < d else math.nan,
        nrc4=prediction.linear_prediction_mse(H, Y, **fit) if targets_move else math.nan,
        nrc4_resolved=prediction.linear_prediction_mse(_scaled(H), Y, rcond=1e-6),
        gap=min(_gap(center(H), min(k, d)), _gap(center(H), aligned), _gap(W, aligned)),
        grain=2.3e-16 * float(np.abs(H).max() / max(center(H).std(0).max(), 1e-300)),
        unit_grain=_unit_grain(H),
    )


def _unit_grain(H):
    deviations, sizes = center(H).std(0), np.abs(H).max(0)
    varying = deviations > 0
    return float((2.3e-16 * sizes[varying] / deviations[varying]).max(initial=0.0))


def _scaled(H):
    """Columns of length 1 about their mean; what does not vary stays 0."""
    lengths = np.linalg.norm(center(H), axis=0)
    return center(H) / np.where(lengths > 0, lengths, 1.0)


def nrc4_off(truth, value):
    """How far a value is from the range between all directions and those that are resolved."""
    if math.isnan(value) or math.isnan(truth.nrc4):
        return 0.0 if math.isnan(value) and math.isnan(truth.nrc4) else math.inf
    return max(truth.nrc4 - value, value - max(truth.nrc4_resolved, truth.nrc4), 0.0)


def _moves(H):
    """Whether a unit varies beyond the rounding of its own size."""
    return bool(np.any(center(H).std(0) > 2 * 2.3e-16 * np.abs(H.mean(0))))


def _rank(A, rtol):
    values = right_singular(A)[0]
    return int((values > rtol * values[0]).sum()) if values[0] > 0 else 0


def _gap(A, k):
    """Distance of the k-th and the next squared singular value, of the largest."""
    if A is None or k == 0 or k >= np.shape(A)[1]:
        return math.inf
    values = right_singular(A)[0] ** 2
    return float((values[k - 1] - values[k]) / values[0]) if values[0] > 0 else 0.0


def satisfied(truth, own_error, variance):
    """Which of the conditions hold at the usual thresholds; None where undefined.

    ``own_error`` is the model's MSE, NaN where it has none; ``variance`` that of a target, mean.
    """
    limits = (0.1, 0.8, 0.8, 1.5 * own_error + 1e-10 * variance)
    found = []
    for name, limit in zip(NAMES, limits, strict=True):
        value = getattr(truth, name)
        if math.isnan(value) or math.isnan(limit):
            found.append(None)
        else:
            found.append(value >= limit if name in ("nrc2", "nrc3") else value <= limit)
    return tuple(found)


def first_collapsed(conditions):
    """Number of the first layer from which on all conditions hold to the last; None."""
    start = len(conditions)
    while start and all(x is True for x in conditions[start - 1]):
        start -= 1
    return start if start < len(conditions) else None
