"""What the targets leave unexplained of each layer's features, and the bounds of it in words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepnrc.metrics.proposition import Proposition1
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.support.text import number

__all__ = ["BoundCheck", "bound_lines"]


@dataclass(frozen=True)
class BoundCheck:
    """The residual of a layer's features and its bounds; NaN and None where undefined.

    Attributes:
        layer: Its name.
        residual: Share of the features' norm outside the targets' column space.
        bound: √NRC1 + √(1 − NRC2), the published bound ([RU26], Proposition 1).
        holds: Whether that holds.
        spectral: The bound that always holds; NaN in records of versions before it.
    """

    layer: str
    residual: float
    bound: float
    holds: bool | None
    spectral: float = math.nan

    @classmethod
    def of(cls, layer: LayerMeasurement) -> "BoundCheck":
        """The check of a measured layer."""
        if math.isnan(layer.bound):
            return cls(layer.name, math.nan, math.nan, None)
        both = (layer.bound_residual, layer.bound)
        holds = Proposition1(*both, spectral=layer.spectral_bound).holds
        return cls(layer.name, *both, holds, layer.spectral_bound)

    def __str__(self) -> str:
        if self.holds is None:
            return f"{self.layer}: undefined, as its NRC1 or NRC2 is"
        if math.isnan(self.spectral):
            return f"{self.layer}: {number(self.residual)}, its bound was not recorded then"
        return f"{self.layer}: {number(self.residual)} ≤ {number(self.spectral)}"


def bound_lines(checks: Sequence[BoundCheck]) -> Iterator[str]:
    """The residual and its bound by layer, and where the published bound fails."""
    yield "Share of the features that the targets do not explain, at most (NRC1, NRC2, spectra):"
    yield from (f"  {check}" for check in checks)
    failed = [
        f"{x.layer} ({number(x.residual)} > {number(x.bound)})" for x in checks if x.holds is False
    ]
    if failed:
        yield (
            "  the published bound of it, √NRC1 + √(1 − NRC2) (Proposition 1), does not hold at "
            + ", ".join(failed)
        )
