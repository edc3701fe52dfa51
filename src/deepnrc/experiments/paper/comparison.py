"""How far our curves are from the published ones."""

import math
from dataclasses import dataclass

from deepnrc.report.panels import Curve, Panel, PanelGrid, band, median

__all__ = ["Comparison", "compare", "distance"]


@dataclass(frozen=True)
class Comparison:
    """A curve of ours and the published one of the same panel.

    Attributes:
        dataset: The data set of the panel.
        quantity: The quantity of the panel.
        layers: The number of layers that both have.
        within: At how many of them the published value lies in the full range of the seeds.
        difference: Median over the layers of |median of the seeds − published|; of the values'
            log₁₀ for a quantity on a logarithmic axis.
        correlation: Spearman's, over the layers; NaN where one of the curves is constant.
        logarithmic: Whether ``difference`` is in decades.
    """

    dataset: str
    quantity: str
    layers: int
    within: int
    difference: float
    correlation: float
    logarithmic: bool


def compare(grid: PanelGrid) -> list[Comparison]:
    """One comparison for each published curve, with the curve of ours that it stands beside."""
    return [
        _compared(panel, next(ours for ours in panel.curves if ours.label == theirs.beside), theirs)
        for panel in grid
        for theirs in panel.curves
        if theirs.kind == "published" and theirs.beside
    ]


def distance(ours: Curve, theirs: Curve, *, logarithmic: bool) -> float:
    """Median over the common layers of |median of the seeds − published|, of log₁₀ if asked."""
    apart = []
    for _, middle, published in _common(ours, theirs):
        if not logarithmic:
            apart.append(abs(middle - published))
        elif middle > 0.0 and published > 0.0:
            apart.append(abs(math.log10(middle / published)))
    return median(apart)


def _common(ours: Curve, theirs: Curve) -> list[tuple[int, float, float]]:
    """Position in our curve, our median and the published value, at each layer that both have."""
    values = {str(x): value for x, value in zip(theirs.x, theirs.values[0], strict=True)}
    middle = band(ours).middle
    return [(i, middle[i], values[str(x)]) for i, x in enumerate(ours.x) if str(x) in values]


def _compared(panel: Panel, ours: Curve, theirs: Curve) -> Comparison:
    common = _common(ours, theirs)
    ranges = [[values[i] for values in ours.values.values()] for i, _, _ in common]
    logarithmic = panel.scale == "log"
    what = panel.quantity.replace("\n", " ")
    return Comparison(
        panel.dataset,
        what if ours is panel.curves[0] else f"{what}, {ours.label}",
        len(common),
        sum(min(r) <= p <= max(r) for r, (_, _, p) in zip(ranges, common, strict=True)),
        distance(ours, theirs, logarithmic=logarithmic),
        _spearman([m for _, m, _ in common], [p for _, _, p in common]),
        logarithmic,
    )


def _spearman(first: list[float], second: list[float]) -> float:
    import pandas as pd  # noqa: PLC0415  - slow to import

    ranks = [pd.Series(values).rank() for values in (first, second)]
    return float(ranks[0].corr(ranks[1]))
