"""How well a linear map of the features predicts the targets (NRC4), and its rounding error."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.record import CHUNK_ROWS

__all__ = ["LinearFit", "linear_fit", "linear_prediction_mse", "linear_r2"]

# Rounding errors are estimated at their usual size; this factor covers their spread on all
# problems of the tests, with a margin.
_FLOOR_MARGIN = 8.0
_DOUBLE, _SINGLE = torch.finfo(torch.float64).eps, torch.finfo(torch.float32).eps / 2


@dataclass(frozen=True)
class LinearFit:
    """The truncated least-squares prediction of the targets from a layer's features.

    Attributes:
        mse: Mean squared error over samples and target dimensions.
        floor: Bound on the rounding error of ``mse``.
        rank: Feature directions kept.
    """

    mse: float
    floor: float
    rank: int


def linear_fit(view: LayerView) -> LinearFit:
    """Minimum-norm least squares of Y on H, without small singular values, from moments.

    With an intercept both sides are centred; without, raw second moments are used. The error is
    Tr S_Y − Σ ‖v_iᵀS_HY‖²/λ_i over the kept eigenpairs of S_H, divided by t. Directions with less
    than 4·d·eps of the largest eigenvalue cannot be distinguished from rounding and are always
    dropped, so that the smallest effective ``rcond`` is √(4·d·eps), 5e-7 at a width of 256.

    The floor adds up, to first order, the effects of rounding in the moments on the error: through
    the coefficients of the prediction, and through the choice of directions.
    """
    moments, t = view.moments, view.moments.target_dim
    if view.intercept:
        spectrum = view.covariance_spectrum
        cross, targets = moments.cross_covariance, moments.target_covariance.diagonal()
    else:
        mean_h, mean_y = moments.feature_mean, moments.target_mean
        spectrum = view.second_moment_spectrum
        cross = moments.cross_covariance + torch.outer(mean_h, mean_y)
        targets = moments.target_covariance.diagonal() + mean_y**2
    total = float(targets.sum())
    if view.intercept and view.constant_features:
        return LinearFit(total / t, 0.0, 0)
    values = spectrum.values
    cut = max(view.rcond**2, 4 * view.width * _DOUBLE) * float(values[0])
    rank = int(((values >= cut) & (values > 0)).sum())
    projected = spectrum.vectors.T @ cross
    kept, kept_values = projected[:rank], values[:rank, None]
    error = (targets - (kept.square() / kept_values).sum(0)).clamp(min=0)
    coefficients = spectrum.top(rank) @ (kept / kept_values)
    floor = _by_coefficients(view, coefficients, targets, error, largest=float(values[0]))
    floor += _by_selection(view, values, projected.norm(dim=1), rank, cut)
    return LinearFit(float(error.sum()) / t, min(_FLOOR_MARGIN * floor, total) / t, rank)


def _by_coefficients(
    view: LayerView, coefficients: Tensor, targets: Tensor, error: Tensor, *, largest: float
) -> float:
    """Effect of rounding in the moments on the error of a prediction with these coefficients.

    The error is stationary in the coefficients B, so a change ΔS of the moments changes it by
    [−B; I]ᵀ ΔS [−B; I]. In float64 ΔS is eps·λ_1, from the eigenvectors. Where the accumulator
    deflated, the features are rounded to float32, independently in each row, and products with
    the residual are summed in float32.
    """
    moments = view.moments
    squared = coefficients.square()
    bound = _DOUBLE * (targets + largest * squared.sum(0))
    if _any_single(view):
        n, energy = moments.count, moments.feature_covariance.diagonal()
        used = (squared * energy[:, None]).sum(0)
        left = (squared * moments.single_scatter[:, None] / n).sum(0)
        bound += _SINGLE**2 * (targets + used) + 2 * _SINGLE * (error * used / n).sqrt()
        bound += _SINGLE * (left + 2 * (left * targets).sqrt()) / _chunks(view) ** 0.5
    return float(bound.sum())


def _by_selection(view: LayerView, values: Tensor, sizes: Tensor, rank: int, cut: float) -> float:
    """Effect of rounding on the error through the choice of directions.

    Directions whose eigenvalue is at the cut, to rounding, count in full. A kept direction i and
    a dropped one j turn into each other by θ = ΔS_ij/(λ_i − λ_j), which changes ‖v_iᵀS_HY‖²/λ_i.
    """
    doubt = _DOUBLE * float(values[0])
    roots = values.sqrt()
    mixing = torch.full_like(values, doubt)
    if _any_single(view):
        n, energy = view.moments.count, float(view.moments.feature_covariance.diagonal().mean())
        left = float(view.moments.single_scatter.max()) / n
        mixing = mixing + _SINGLE * (2 * roots * (energy / n) ** 0.5 + left / _chunks(view) ** 0.5)
    near = ((values - cut).abs() <= _FLOOR_MARGIN * mixing) & (values > 0)
    bound = float((sizes[near].square() / values[near]).sum()) / _FLOOR_MARGIN
    inside, outside = values[:rank, None], values[None, rank:]
    angle = (mixing[:rank, None] / (inside - outside)).clamp(max=1 / _FLOOR_MARGIN)
    turned = 2 * sizes[:rank, None] * sizes[None, rank:]
    turned = turned + _FLOOR_MARGIN * angle * sizes[None, rank:].square()
    return bound + float((angle * turned / inside).sum())


def _any_single(view: LayerView) -> bool:
    return bool((view.moments.single_scatter > 0).any())


def _chunks(view: LayerView) -> float:
    """Number of independent sums in single precision, whose errors average out."""
    return max(view.moments.count / CHUNK_ROWS, 1.0)


def linear_prediction_mse(view: LayerView) -> float | Undefined:
    """Error of the best linear prediction of the targets from this layer's features: NRC4.

    Mean squared error over all N·t entries, as PyTorch's ``MSELoss``, to be compared with the
    model's own. See `linear_fit` for conventions.

    Returns:
        ≥ 0, in squared units of the targets. Undefined for constant targets with an intercept,
        which alone predicts them.

    References:
        [RU26] Table 1, NRC4.
    """
    if view.constant_targets and view.intercept:
        return view.constant_targets
    return linear_fit(view).mse


def linear_r2(view: LayerView) -> float | Undefined:
    """Share of the targets' variance that the linear prediction explains, pooled over targets.

    Returns:
        At most 1, and ≥ 0 with an intercept. Undefined for constant targets.
    """
    if view.constant_targets:
        return view.constant_targets
    moments = view.moments
    variance = float(moments.target_covariance.diagonal().sum())
    return 1.0 - linear_fit(view).mse * moments.target_dim / variance
