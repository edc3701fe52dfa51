"""Dead units: columns that were zero in every row so far and are left out of the products.

Leaving them out is exact and makes collapsed ReLU layers cheap. They are watched, and counted
again from the first row in which they are not zero.
"""

from dataclasses import replace

import torch
from torch import Tensor

from deepnrc.moments.record import Moments

__all__ = ["DeadUnits"]

_LEAST_SHARE = 0.1  # of dead units from which leaving them out pays


class DeadUnits:
    """Which columns of a layer are dead, and which are live and in what order.

    Args:
        width: Columns of the layer, d.
        device: Of its rows.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        self._width = width
        self.live = torch.arange(width, device=device)
        self.dead = self.live[:0]

    def set_aside(self, moments: Moments) -> Moments:
        """Find the dead units of a layer and leave them out of its moments, where that pays."""
        is_dead = (moments.feature_scatter.diagonal() == 0) & (moments.feature_mean == 0)
        if float(is_dead.double().mean()) < _LEAST_SHARE:
            return moments
        self.dead = torch.nonzero(is_dead).flatten()
        live = self.live = torch.nonzero(~is_dead).flatten()
        return replace(
            moments,
            feature_origin=moments.feature_origin[live],
            feature_offset=moments.feature_offset[live],
            feature_scatter=moments.feature_scatter[live][:, live],
            cross_scatter=moments.cross_scatter[live],
            single_scatter=moments.single_scatter[live],
        )

    def woken_by(self, rows: Tensor) -> Tensor:
        """Those of the `dead` that are not zero in some of these rows: a mask."""
        asleep = rows.index_select(1, self.dead)
        return (asleep.amax(0) != 0) | (asleep.amin(0) != 0)  # four times as fast as any()

    def wake(self, woken: Tensor, moments: Moments) -> Moments:
        """Make these of the `dead` the last live columns; moments of the columns live then."""
        before = len(self.live)
        self.live = torch.cat([self.live, self.dead[woken]])
        self.dead = self.dead[~woken]
        return _spread(moments, torch.arange(before, device=woken.device), len(self.live))

    def restore(self, moments: Moments) -> Moments:
        """Moments of the whole layer from those of its live columns."""
        wide = _spread(moments, self.live, self._width)
        # Symmetric to rounding; transposed, as it always was, every bit of the results stays.
        return replace(wide, feature_scatter=wide.feature_scatter.T.contiguous())


def _spread(moments: Moments, columns: Tensor, width: int) -> Moments:
    """Moments of a wider layer: these at the given columns, and zero elsewhere."""

    def rows(values: Tensor) -> Tensor:
        wide = values.new_zeros(width, *values.shape[1:])
        wide[columns] = values
        return wide

    return replace(
        moments,
        feature_origin=rows(moments.feature_origin),
        feature_offset=rows(moments.feature_offset),
        feature_scatter=rows(rows(moments.feature_scatter).T).T.contiguous(),
        cross_scatter=rows(moments.cross_scatter),
        single_scatter=rows(moments.single_scatter),
    )
