"""The prediction from every direction of the features that their moments resolve.

Features and targets are scaled to unit standard deviation first (to unit second moment without an
intercept), so that units do not matter: rounding errors of the moments are relative to the two
scales of each entry, not to the largest feature.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepnrc.metrics.fit import (
    DOUBLE,
    FLOOR_MARGIN,
    SINGLE,
    LinearFit,
    Sides,
    chunks,
    mean_fit,
    sides,
)
from deepnrc.metrics.view import LayerView

__all__ = ["resolved_fit"]

# A direction counts as resolved where its eigenvalue is this much above its rounding, which leaves
# second-order effects small.
_RESOLVED = 16.0


class _Rounding(NamedTuple):
    """Usual rounding of the scaled moments.

    Attributes:
        double: Norm of the error of float64 sums and eigenvectors.
        single: Of a feature in float32, relative to it; 0 if no row was rounded so.
        left: Share of each feature's scatter whose products were summed in float32, d.
        sums: Of the mean of such products, relative to the roots of the two shares.
        rows: N.
    """

    double: float
    single: float
    left: Tensor
    sums: float
    rows: int


def resolved_fit(view: LayerView) -> LinearFit:
    """Least squares of Y on H in all directions that the moments resolve.

    With R the scaled second moment of the features, R = VΛVᵀ, and g the scaled cross moment of a
    target, the error is 1 − Σ (v_iᵀg)²/λ_i over the resolved directions, in units of the target's
    variance. A direction is resolved if λ_i is 16 times what rounding makes of it: in float64
    eps·(λ_1 + √d), times √(N/1024) for more rows; where the accumulator deflated, also the effects
    of the features' and products' rounding to float32.

    The floor holds for the least-squares error itself where every direction that exists is
    resolved: rounding changes the error of a prediction with coefficients b by [−b; 1]ᵀΔ[−b; 1],
    and the coefficients, to second order, by at most Σ (v_iᵀΔ[−b; 1])²/λ_i.
    """
    both, t = sides(view), view.moments.target_dim
    if view.underflow or (view.intercept and view.constant_features):
        return mean_fit(view, both)
    spectrum = view.scaled_spectrum
    values, vectors = spectrum.values, spectrum.vectors
    rounding = _rounding(view, both, float(values[0]))
    in_single = vectors.square().T @ rounding.left
    noise = rounding.double + rounding.single**2 + rounding.sums * in_single
    mixed = rounding.single / rounding.rows**0.5 + rounding.sums * in_single.sqrt()
    kept = values >= _RESOLVED * (noise + 2 * values.sqrt() * mixed)
    kept &= torch.arange(len(values)) < both.available
    values, vectors, in_single = values[kept], vectors[:, kept], in_single[kept]

    projected = vectors.T @ _scaled_cross(both)
    error = (1 - (projected.square() / values[:, None]).sum(0)).clamp(min=0)
    coefficients = vectors @ (projected / values[:, None])
    floor = _first_order(rounding, coefficients, error)
    floor += _second_order(rounding, coefficients, error, values, in_single)
    floor = (FLOOR_MARGIN * floor).clamp(max=1)
    rank = int(kept.sum())
    return LinearFit(
        float((error * both.targets).sum()) / t,
        float((floor * both.targets).sum()) / t,
        rank,
        unresolved=max(both.available - rank, 0),
    )


def _scaled_cross(both: Sides) -> Tensor:
    """Correlations of features and targets, d × t; 0 for those that do not vary."""
    rows = torch.where(both.energy > 0, both.energy.rsqrt(), 0.0)
    columns = torch.where(both.targets > 0, both.targets.rsqrt(), 0.0)
    return both.cross * rows[:, None] * columns


def _rounding(view: LayerView, both: Sides, largest: float) -> _Rounding:
    single, n = view.moments.single_scatter, view.moments.count
    growth = chunks(view) ** 0.5
    share = torch.where(both.energy > 0, single / (n * both.energy), 0.0)
    any_single = bool((single > 0).any())
    return _Rounding(
        double=DOUBLE * (largest + view.width**0.5) * growth,
        single=SINGLE if any_single else 0.0,
        left=share,
        sums=SINGLE / growth if any_single else 0.0,
        rows=n,
    )


def _first_order(rounding: _Rounding, coefficients: Tensor, error: Tensor) -> Tensor:
    """[−b; 1]ᵀΔ[−b; 1] for each target."""
    used = coefficients.square().sum(0)
    left = (coefficients.square() * rounding.left[:, None]).sum(0)
    bound = rounding.double * (1 + used) + rounding.single**2 * (1 + used)
    bound = bound + 2 * rounding.single * (error * (1 + used) / rounding.rows).sqrt()
    return bound + rounding.sums * (left + 2 * left.sqrt())


def _second_order(
    rounding: _Rounding, coefficients: Tensor, error: Tensor, values: Tensor, in_single: Tensor
) -> Tensor:
    """Σ (v_iᵀΔ[−b; 1])²/λ_i over the kept directions, for each target."""
    used = (1 + coefficients.square().sum(0)).sqrt()
    left = (coefficients.square() * rounding.left[:, None]).sum(0).sqrt()
    roots, part = values.sqrt()[:, None], in_single.sqrt()[:, None]
    turned = (rounding.double + rounding.single**2) * used
    turned = turned + rounding.single * (error.sqrt() + roots * used) / rounding.rows**0.5
    turned = turned + rounding.sums * (part * (1 + left) + roots * left)
    bound: Tensor = (turned.square() / values[:, None]).sum(0)
    return bound
