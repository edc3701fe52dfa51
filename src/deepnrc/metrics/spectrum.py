"""How many directions features use: the noise component (NRC1) and ranks, from eigenvalues."""

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.record import CHUNK_ROWS

__all__ = [
    "covariance_stable_rank",
    "entropy_rank",
    "noise_component",
    "noise_component_floor",
    "participation_ratio",
    "stable_rank",
    "weight_stable_rank",
]

_FLOOR_MARGIN = 3.0  # covers the spread of rounding errors on all problems of the tests


def noise_component(view: LayerView, *, center: bool | None = None) -> float | Undefined:
    """Share of the features' variance outside their top-k subspace: NRC1.

    1 − Tr(U_kᵀ Σ_H U_k)/Tr Σ_H = Σ_{i>k} λ_i / Σ_i λ_i, computed as the sum of the tail, so that
    values far below the rounding of 1 keep their digits.

    Args:
        view: The layer.
        center: Whether Σ_H is centred; None takes the view's setting.

    Returns:
        In [0, 1]; 0 = collapsed to k dimensions. Undefined for constant features, and where k is
        the layer's width, so that no direction is noise.

    References:
        [RU26] Table 1, NRC1.
    """
    center = view.center if center is None else center
    if undefined := view.constant_features if center else view.constant_signal:
        return undefined
    if view.signal_rank >= view.width:
        return Undefined(
            f"the signal rank {view.signal_rank} fills the layer's width {view.width}: "
            "no direction is left for noise"
        )
    values = (view.covariance_spectrum if center else view.second_moment_spectrum).values
    return float(values[view.signal_rank :].sum() / values.sum())


def noise_component_floor(view: LayerView) -> float:
    """Rounding error of the noise component; a value below it is 0 as far as is known.

    Eigenvalues of a float64 covariance have an error of about eps·λ_1 each; of d of them, with a
    margin, that is 3·(1 + √d)·eps, times √(N/1024) for more rows. What was summed in single
    precision adds float32's rounding of its share and of its products with the rest, row by row.
    """
    moments, values = view.moments, view.signal_spectrum.values
    total = float(values.sum())
    if total <= 0.0:
        return 0.0
    double, single = torch.finfo(torch.float64).eps, torch.finfo(torch.float32).eps
    growth = max(moments.count / CHUNK_ROWS, 1.0) ** 0.5
    rounding: float = _FLOOR_MARGIN * (1 + view.width**0.5) * double * growth
    share = float(moments.single_scatter.sum()) / (moments.count * total)
    if share > 0.0:
        noise = float(values[view.signal_rank :].sum()) / total
        rounding += single * share + 8 * single * (noise / moments.count) ** 0.5 + 2 * single**2
    return rounding


def _values(view: LayerView) -> Float64[Tensor, " d"] | Undefined:
    return view.constant_features or view.covariance_spectrum.values


def stable_rank(view: LayerView) -> float | Undefined:
    """Stable rank of the centred features: ‖H_c‖_F²/‖H_c‖_2² = Tr Σ_H/λ_1, in [1, d]."""
    values = _values(view)
    return values if isinstance(values, Undefined) else float(values.sum() / values[0])


def covariance_stable_rank(view: LayerView) -> float | Undefined:
    """Stable rank of the feature *covariance*: ‖Σ_H‖_F²/‖Σ_H‖_2² = Σλ²/λ_1², in [1, d].

    This is what [RU26]'s figures call the stable rank of the features.
    """
    values = _values(view)
    return values if isinstance(values, Undefined) else float((values / values[0]).square().sum())


def participation_ratio(view: LayerView) -> float | Undefined:
    """Participation ratio of the feature spectrum, (Σλ)²/Σλ², in [1, d]."""
    values = _values(view)
    if isinstance(values, Undefined):
        return values
    shares = values / values.sum()
    return float(1.0 / shares.square().sum())


def entropy_rank(view: LayerView) -> float | Undefined:
    """Exponential of the entropy of λ/Σλ, in [1, d] (Roy and Vetterli 2007)."""
    values = _values(view)
    if isinstance(values, Undefined):
        return values
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def weight_stable_rank(view: LayerView) -> float | Undefined:
    """Stable rank of the weight, ‖W‖_F²/‖W‖_2², in [1, min(p, d)]."""
    if isinstance(view.weight, Undefined):
        return view.weight
    values = view.weight_spectrum.values
    if values.numel() == 0 or float(values[0]) == 0.0:
        return Undefined("the weight is 0")
    return float((values / values[0]).square().sum())
