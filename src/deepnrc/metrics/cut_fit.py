"""The prediction from directions above a cut-off, as [RU26]'s code takes it, and its rounding.

The cut is relative to the largest singular value of the features as they are: it depends on their
units.
"""

import torch
from torch import Tensor

from deepnrc.metrics.fit import DOUBLE, FLOOR_MARGIN, SINGLE, LinearFit, chunks, mean_fit, sides
from deepnrc.metrics.view import LayerView

__all__ = ["cut_fit"]


def cut_fit(view: LayerView) -> LinearFit:
    """Minimum-norm least squares of Y on H, without small singular values, from moments.

    With an intercept both sides are centred; without, raw second moments are used. The error is
    Tr S_Y − Σ ‖v_iᵀS_HY‖²/λ_i over the kept eigenpairs of S_H, divided by t. Directions with less
    than 4·d·eps of the largest eigenvalue cannot be distinguished from rounding and are always
    dropped, so that the smallest effective ``rcond`` is √(4·d·eps), 5e-7 at a width of 256.

    The floor adds up, to first order, the effects of rounding in the moments on the error: through
    the coefficients of the prediction, and through the choice of directions.
    """
    assert view.rcond is not None
    both, t = sides(view), view.moments.target_dim
    targets, total = both.targets, float(both.targets.sum())
    if view.underflow or (view.intercept and view.constant_features):
        return mean_fit(view, both)
    spectrum = view.covariance_spectrum if view.intercept else view.second_moment_spectrum
    values = spectrum.values
    resolution = 4 * view.width * DOUBLE * float(values[0])
    cut = max(view.rcond**2, 4 * view.width * DOUBLE) * float(values[0])
    rank = int(((values >= cut) & (values > 0)).sum())
    resolved = min(int((values >= resolution).sum()), both.available)
    projected = spectrum.vectors.T @ both.cross
    kept, kept_values = projected[:rank], values[:rank, None]
    error = (targets - (kept.square() / kept_values).sum(0)).clamp(min=0)
    coefficients = spectrum.top(rank) @ (kept / kept_values)
    floor = _by_coefficients(view, coefficients, targets, error, largest=float(values[0]))
    floor += _by_selection(view, values, projected.norm(dim=1), rank, cut)
    return LinearFit(
        float(error.sum()) / t,
        min(FLOOR_MARGIN * floor, total) / t,
        rank,
        below_cut=max(resolved - rank, 0),
        unresolved=max(both.available - max(resolved, rank), 0),
    )


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
    bound = DOUBLE * (targets + largest * squared.sum(0))
    if _any_single(view):
        n, energy = moments.count, moments.feature_covariance.diagonal()
        used = (squared * energy[:, None]).sum(0)
        left = (squared * moments.single_scatter[:, None] / n).sum(0)
        bound += SINGLE**2 * (targets + used) + 2 * SINGLE * (error * used / n).sqrt()
        bound += SINGLE * (left + 2 * (left * targets).sqrt()) / chunks(view) ** 0.5
    return float(bound.sum())


def _by_selection(view: LayerView, values: Tensor, sizes: Tensor, rank: int, cut: float) -> float:
    """Effect of rounding on the error through the choice of directions.

    Directions whose eigenvalue is at the cut, to rounding, count in full. A kept direction i and
    a dropped one j turn into each other by θ = ΔS_ij/(λ_i − λ_j), which changes ‖v_iᵀS_HY‖²/λ_i.
    """
    doubt = DOUBLE * float(values[0])
    roots = values.sqrt()
    mixing = torch.full_like(values, doubt)
    if _any_single(view):
        n, energy = view.moments.count, float(view.moments.feature_covariance.diagonal().mean())
        left = float(view.moments.single_scatter.max()) / n
        mixing = mixing + SINGLE * (2 * roots * (energy / n) ** 0.5 + left / chunks(view) ** 0.5)
    near = ((values - cut).abs() <= FLOOR_MARGIN * mixing) & (values > 0)
    bound = float((sizes[near].square() / values[near]).sum()) / FLOOR_MARGIN
    inside, outside = values[:rank, None], values[None, rank:]
    angle = (mixing[:rank, None] / (inside - outside)).clamp(max=1 / FLOOR_MARGIN)
    turned = 2 * sizes[:rank, None] * sizes[None, rank:]
    turned = turned + FLOOR_MARGIN * angle * sizes[None, rank:].square()
    return bound + float((angle * turned / inside).sum())


def _any_single(view: LayerView) -> bool:
    return bool((view.moments.single_scatter > 0).any())
