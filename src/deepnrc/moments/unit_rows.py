"""Second moment of unit rows: of feature rows scaled to length 1, as [A24] takes them.

Only the last layer's metrics of 2024 need it: a Gram matrix of its own beside `Moments`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["UnitRowSums", "UnitRows", "unit_row_bytes"]

_ROWS = 8192  # converted to float64 at a time
_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class UnitRows:
    """Mean of h̃h̃ᵀ over the rows that have a direction, h̃ = h/‖h‖.

    Attributes:
        count: Rows that have a direction.
        zero_rows: Rows that have none and are left out: h = 0, or h = h̄ to rounding.
        second_moment: Mean of h̃h̃ᵀ, d × d, of trace 1; 0 without rows.
    """

    count: int
    zero_rows: int
    second_moment: Float64[Tensor, "d d"]


def unit_row_bytes(feature_dim: int) -> int:
    """Memory of a `UnitRowSums`."""
    return 8 * feature_dim**2


class UnitRowSums:
    """Adds rows, a batch at a time, and gives their `UnitRows`; all in float64.

    Args:
        feature_dim: d.
        device: Of the rows.
        center: Subtracted from each row before it is scaled; None subtracts nothing.
        eps: Machine epsilon of the features; rows that differ from ``center`` by less than their
            rounding have no direction.
    """

    def __init__(
        self,
        feature_dim: int,
        *,
        device: torch.device | str = "cpu",
        center: Float64[Tensor, " d"] | None = None,
        eps: float = 0.0,
    ) -> None:
        self._sum = torch.zeros(feature_dim, feature_dim, dtype=torch.float64, device=device)
        self._center = None if center is None else center.to(device)
        self._least = 0.0 if center is None else eps * float(torch.linalg.vector_norm(center))
        self._count = self._zero = 0

    def add(self, features: Tensor) -> None:
        """Add rows, n × d."""
        for rows in torch.split(features, _ROWS):
            h = rows.double()
            if self._center is not None:
                h = h - self._center
            # Scaled by the largest entry first: squares of tiny rows would underflow.
            largest = h.abs().amax(1, keepdim=True).clamp(min=_TINY)
            h = h / largest
            lengths = torch.linalg.vector_norm(h, dim=1, keepdim=True)
            far = (lengths * largest).flatten() > self._least
            unit = h[far] / lengths[far]
            self._sum += unit.T @ unit
            self._count += len(unit)
            self._zero += len(rows) - len(unit)

    @property
    def rows(self) -> int:
        """Rows added so far, those without a direction included."""
        return self._count + self._zero

    def result(self) -> UnitRows:
        """The mean over all rows so far, on the CPU."""
        return UnitRows(self._count, self._zero, (self._sum / max(self._count, 1)).cpu())
