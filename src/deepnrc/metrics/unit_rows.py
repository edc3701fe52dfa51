"""How far unit rows lie from a subspace: [A24]'s NRC1 and NRC2, at the last layer."""

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.unit_rows import UnitRows

__all__ = ["chance_residual", "feature_pca_residual", "feature_weight_residual"]


def feature_pca_residual(view: LayerView, unit_rows: UnitRows) -> float | Undefined:
    """NRC1 (2024): mean squared distance of unit rows from the top-t principal components.

    1 − Tr(UᵀM̃U), with U always of the centred features, and no more components than the features
    have directions.

    Args:
        view: The last layer, with ``signal_rank`` t.
        unit_rows: Second moment of its unit rows.

    Returns:
        In [0, 1]; 1 − t/d by chance.
    """
    if undefined := view.constant_features or _without_rows(view, unit_rows):
        return undefined
    values = view.covariance_spectrum.values
    least = 4 * view.width * torch.finfo(torch.float64).eps * float(values[0])
    rank = min(view.signal_rank, int((values > least).sum()))
    return _outside(unit_rows, view.covariance_spectrum.top(rank))


def feature_weight_residual(view: LayerView, unit_rows: UnitRows) -> float | Undefined:
    """NRC2 (2024): mean squared distance of unit rows from W's row space.

    From the singular vectors of W up to its numerical rank; (WWᵀ)⁻¹ would fail where W has lost
    rank.

    Args:
        view: The last layer.
        unit_rows: Second moment of its unit rows.

    Returns:
        In [0, 1]; 1 − rank W/d by chance.
    """
    if undefined := _without_rows(view, unit_rows) or view.zero_weight:
        return undefined
    return _outside(unit_rows, view.weight_spectrum.top(view.weight_rank))


def chance_residual(view: LayerView) -> float | Undefined:
    """What either residual would be for rows in all directions alike: 1 − t/d."""
    if view.signal_rank >= view.width:
        return Undefined(
            f"{view.signal_rank} directions fill the layer's width {view.width}: no direction is "
            "outside them"
        )
    return 1.0 - view.signal_rank / view.width


def _without_rows(view: LayerView, unit_rows: UnitRows) -> Undefined | None:
    chance = chance_residual(view)
    if isinstance(chance, Undefined):
        return chance
    return Undefined("no row has a direction") if unit_rows.count == 0 else None


def _outside(unit_rows: UnitRows, basis: Float64[Tensor, "d k"]) -> float:
    """Trace of M̃ outside a subspace."""
    # Twice, so that what is left is orthogonal to the subspace to rounding.
    left = unit_rows.second_moment
    left = left - basis @ (basis.T @ left)
    left = left - (left @ basis) @ basis.T
    return float(left.diagonal().sum().clamp(0.0, 1.0))
