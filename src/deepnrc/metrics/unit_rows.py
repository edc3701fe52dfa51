"""How far feature directions lie from a subspace: [A24]'s NRC1 and NRC2, at the last layer."""

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.unit_rows import UnitRows

__all__ = ["feature_pca_residual", "feature_weight_residual", "fills_width"]


def feature_pca_residual(view: LayerView, directions: UnitRows) -> float | Undefined:
    """NRC1 (2024): mean squared distance of unit rows from the top-t principal components.

    1 − Tr(UᵀM̃U), with U of the centred features whatever the view says, and no more components
    than the features have directions.

    Args:
        view: The last layer, with ``signal_rank`` t.
        directions: Its unit rows.

    Returns:
        In [0, 1]; 1 − t/d by chance.
    """
    if reason := view.constant_features or _undirected(view, directions):
        return Undefined(reason)
    values = view.covariance_spectrum.values
    least = 4 * view.width * torch.finfo(torch.float64).eps * float(values[0])
    rank = min(view.signal_rank, int((values > least).sum()))
    return _outside(directions, view.covariance_spectrum.top(rank))


def feature_weight_residual(view: LayerView, directions: UnitRows) -> float | Undefined:
    """NRC2 (2024): mean squared distance of unit rows from W's row space.

    From the singular vectors of W up to its numerical rank, never from (WWᵀ)⁻¹, which fails where
    W has lost rank.

    Args:
        view: The last layer.
        directions: Its unit rows.

    Returns:
        In [0, 1]; 1 − rank W/d by chance.
    """
    if reason := _undirected(view, directions):
        return Undefined(reason)
    if view.weight_rank == 0:
        return Undefined("the weight is 0")
    return _outside(directions, view.weight_spectrum.top(view.weight_rank))


def fills_width(view: LayerView) -> str:
    """Why residuals are undefined where there are as many targets as features."""
    return (
        f"{view.signal_rank} directions fill the layer's width {view.width}: none is left to be "
        "outside"
    )


def _undirected(view: LayerView, directions: UnitRows) -> str | None:
    if view.signal_rank >= view.width:
        return fills_width(view)
    if directions.count == 0:
        return "no row has a direction"
    return None


def _outside(directions: UnitRows, basis: Float64[Tensor, "d k"]) -> float:
    """Trace of M̃ outside a subspace; twice, so that what is left has none of it to rounding."""
    left = directions.second_moment
    left = left - basis @ (basis.T @ left)
    left = left - (left @ basis) @ basis.T
    return float(left.diagonal().sum().clamp(0.0, 1.0))
