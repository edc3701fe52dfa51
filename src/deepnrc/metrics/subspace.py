"""Whether weights read the directions of the features (NRC3): principal angles of subspaces."""

import functools

import numpy as np
import torch
from torch import Tensor

from deepnrc.linalg.angles import principal_cosines
from deepnrc.metrics.leading import features_without_leading, weight_without_leading
from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["feature_weight_alignment", "noise_weight_alignment", "random_alignment"]


def feature_weight_alignment(view: LayerView) -> float | Undefined:
    """Mean cosine of the principal angles between signal subspace and weight: NRC3.

    (1/k) Σ σ_i(U_kᵀV_k) with U_k a basis of the features' top-k subspace and V_k the weight's top-k
    right singular vectors. k is capped by the width and by the ranks of features and weight,
    beyond which the vectors are arbitrary.

    Returns:
        In [0, 1]; 1 = aligned; `random_alignment` is the value for unrelated subspaces. Undefined
        for constant features or a zero weight, where k is the width, as both subspaces are then
        the whole space, and where k directions do not lead, as of an orthogonal weight.

    References:
        [RU26] Table 1, NRC3; [BG73].
    """
    if undefined := view.constant_signal or view.zero_weight:
        return undefined
    k = view.alignment_rank
    if k >= view.width:
        return Undefined(f"{_full(view)}: any weight reads all of it")
    if undefined := _without_leading(view, k):
        return undefined
    return float(principal_cosines(view.signal_spectrum.top(k), view.weight_spectrum.top(k)).mean())


def noise_weight_alignment(view: LayerView) -> float | Undefined:
    """Mean cosine of the principal angles between the weight's top-k and the noise subspace.

    The noise subspace is spanned by the d − k trailing eigenvectors of Σ_H; there are
    min(k, d − k) angles.

    Returns:
        In [0, 1]; 0 = the weight ignores the noise. Undefined where `feature_weight_alignment` is.

    References:
        [RU26] Figure 3, right column.
    """
    if undefined := view.constant_signal or view.zero_weight:
        return undefined
    k, width = view.alignment_rank, view.width
    if k >= width:
        return Undefined(f"{_full(view)}: no noise subspace")
    if undefined := _without_leading(view, k):
        return undefined
    signal, read = view.signal_spectrum.top(k), view.weight_spectrum.top(k)
    # Projected twice, so that the rest is orthogonal to the signal to rounding.
    outside = read - signal @ (signal.T @ read)
    outside = outside - signal @ (signal.T @ outside)
    cosines: Tensor = torch.linalg.svdvals(outside)[: min(k, width - k)]
    return float(cosines.clamp(max=1.0).mean())


def _without_leading(view: LayerView, k: int) -> Undefined | None:
    features = features_without_leading(view, k, center=view.center)
    return features or weight_without_leading(view, k)


def _full(view: LayerView) -> str:
    return f"the signal rank {view.alignment_rank} fills the layer's width {view.width}"


@functools.lru_cache(maxsize=256)
def random_alignment(width: int, k: int, draws: int = 2000) -> float:
    """Expected `feature_weight_alignment` of unrelated subspaces, by Monte Carlo.

    Mean over pairs of uniform k-dimensional subspaces of R^width of the mean cosine of their
    principal angles. The squared cosines are the eigenvalues of A(A + B)⁻¹ with A, B Wishart of k
    and width − k degrees of freedom, so a draw costs k³ whatever the width.

    Args:
        width: Dimension of the space.
        k: Dimension of both subspaces, 1 ≤ k ≤ width.
        draws: Pairs of subspaces; 2000 give about two digits.

    Returns:
        In [0, 1]; between 0.8 and 1 times √(k/width). The same in every call: the seed is fixed.

    Example:
        >>> round(random_alignment(64, 4), 2)
        0.21
    """
    if k == width:
        return 1.0
    rng = np.random.default_rng(0)
    inside, rest = rng.standard_normal((draws, k, k)), width - k
    if rest <= 4 * k:
        outside = rng.standard_normal((draws, rest, k))
        b = outside.transpose(0, 2, 1) @ outside
    else:  # Bartlett's decomposition of the larger Wishart matrix
        lower = np.tril(rng.standard_normal((draws, k, k)), -1)
        lower[:, range(k), range(k)] = np.sqrt(rng.chisquare(rest - np.arange(k), (draws, k)))
        b = lower @ lower.transpose(0, 2, 1)
    factor = np.linalg.cholesky(inside.transpose(0, 2, 1) @ inside + b)
    cosines = np.linalg.svd(np.linalg.solve(factor, inside.transpose(0, 2, 1)), compute_uv=False)
    return float(cosines.mean())
