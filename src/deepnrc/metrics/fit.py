"""A linear prediction of the targets from a layer's features, and what it is computed from."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from deepnrc.metrics.view import LayerView
from deepnrc.moments.record import CHUNK_ROWS

__all__ = ["DOUBLE", "FLOOR_MARGIN", "SINGLE", "LinearFit", "Sides", "chunks", "mean_fit", "sides"]

DOUBLE, SINGLE = torch.finfo(torch.float64).eps, torch.finfo(torch.float32).eps / 2
"""Rounding of a sum's terms in float64 and of a number in float32."""

FLOOR_MARGIN = 8.0
"""Rounding errors are estimated at their usual size; this covers their spread on all problems of
the tests."""

_LEAST_ENERGY = 1e-304  # of a feature; float64 holds fewer digits of products below 2e-308


@dataclass(frozen=True)
class LinearFit:
    """The least-squares prediction of the targets from the directions of a layer that are kept.

    Attributes:
        mse: Mean squared error over samples and target dimensions.
        floor: Bound on the rounding error of ``mse``.
        rank: Feature directions kept.
        below_cut: Directions dropped because they are below ``rcond``.
        unresolved: Directions dropped because the moments do not resolve them. What they may add
            to the prediction is not in ``floor``: it cannot be known.
    """

    mse: float
    floor: float
    rank: int
    below_cut: int = 0
    unresolved: int = 0


class Sides(NamedTuple):
    """Second moments of both sides of the prediction, about the mean or, without intercept, not.

    Attributes:
        energy: Of each feature, d; 0 where float64 does not hold its squares.
        cross: Of features and targets, d × t.
        targets: Of each target, t.
        available: The most directions that so many rows and features that vary can have, those
            included that float64 does not hold.
    """

    energy: Tensor
    cross: Tensor
    targets: Tensor
    available: int


def sides(view: LayerView) -> Sides:
    """The second moments that the prediction of a view is computed from."""
    moments = view.moments
    energy, cross = moments.feature_covariance.diagonal(), moments.cross_covariance
    targets = moments.target_covariance.diagonal()
    if not view.intercept:
        energy = energy + moments.feature_mean.square()
        cross = cross + torch.outer(moments.feature_mean, moments.target_mean)
        targets = targets + moments.target_mean.square()
    held = energy > _LEAST_ENERGY
    size = moments.feature_mean.abs()
    hidden = ~held & ((energy > 0) | ((size > 0) & (size < _LEAST_ENERGY**0.5)))
    rows = moments.count - view.intercept
    available = max(min(int((held | hidden).sum()), rows), 0)
    return Sides(torch.where(held, energy, 0.0), cross, targets, available)


def mean_fit(view: LayerView, both: Sides) -> LinearFit:
    """The prediction without any direction: the targets' mean, or 0 without an intercept."""
    mse = float(both.targets.sum()) / view.moments.target_dim
    rounding = FLOOR_MARGIN * DOUBLE * chunks(view) ** 0.5
    return LinearFit(mse, rounding * mse, 0, unresolved=both.available)


def chunks(view: LayerView) -> float:
    """Number of independent sums in single precision, whose errors average out."""
    return max(view.moments.count / CHUNK_ROWS, 1.0)
