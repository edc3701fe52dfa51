"""The values that [RU26] published, read off its vector figures, and how far ours are from them."""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from deepnrc.report.panels import Curve, Panel, PanelFigure, band, median

__all__ = ["Comparison", "Published", "compare", "published", "with_published"]

_LABEL = "published"
_KEYS = {
    "noise_component": "nrc1",
    "signal_target_cka": "nrc2",
    "feature_weight_alignment": "nrc3",
    "linear_prediction_mse": "nrc4",
    "covariance_stable_rank": "srank_h",
    "top_alignment": "nrc3_signal",
    "noise_weight_alignment": "nrc3_noise",
}


@dataclass(frozen=True)
class Published:
    """One published curve.

    Attributes:
        layers: Names, in order.
        values: One a layer.
        first_collapsed_layer: Where the paper's green line stands.
        reference: Its dashed red line: the model's own MSE, or the targets' stable rank; or None.
    """

    layers: tuple[str, ...]
    values: tuple[float, ...]
    first_collapsed_layer: str
    reference: float | None


@dataclass(frozen=True)
class Comparison:
    """A panel beside its published curve.

    Attributes:
        figure: Name.
        dataset: Of the panel.
        quantity: Of the panel.
        layers: That both have.
        within: How many of them the published value lies in the seeds' whole range.
        difference: Median over the layers of |median of the seeds − published|; of log₁₀ for a
            quantity on a logarithmic axis.
        correlation: Spearman's, over the layers; NaN where one of them does not change.
        logarithmic: Whether ``difference`` is in decades.
    """

    figure: str
    dataset: str
    quantity: str
    layers: int
    within: int
    difference: float
    correlation: float
    logarithmic: bool


@cache
def _curves() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("published_curves.json").read_text("utf-8")
    curves: dict[str, Any] = json.loads(text)
    return curves


def published(paper: str, quantity: str) -> Published | None:
    """The curve of a data set and metric, or None where the paper's figures show none.

    Args:
        paper: Name of the data set in the paper.
        quantity: Name of the metric; ``"top_alignment"`` is NRC3 where noise stands beside it.
    """
    key = _KEYS.get(quantity)
    for name, curve in _curves().items():
        if name.startswith("_") or key is None or curve["dataset"] != paper:
            continue
        if name.endswith(f"{paper}_{key}"):
            return Published(
                tuple(curve["x"]),
                tuple(curve["y"]),
                curve["first_collapsed_layer"],
                curve["reference_line"],
            )
    return None


def with_published(curves: tuple[Curve, ...], paper: str, quantity: str) -> tuple[Curve, ...]:
    """A panel's curves and the published one after them, where there is one for these layers."""
    known = published(paper, quantity)
    if known is None or not set(known.layers) & set(map(str, curves[0].x)):
        return curves
    theirs = Curve(_LABEL, known.layers, {0: known.values}, "published", curves[0].label)
    return (*curves, theirs)


def compare(figure: PanelFigure) -> list[Comparison]:
    """Each panel that has a published curve beside it."""
    found = []
    for panel in figure.panels:
        found += [
            _compared(figure.name, panel, _beside(panel, theirs), theirs)
            for theirs in panel.curves
            if theirs.kind == "published"
        ]
    return found


def _beside(panel: Panel, theirs: Curve) -> Curve:
    return next(curve for curve in panel.curves if curve.label == theirs.beside)


def _compared(figure: str, panel: Panel, ours: Curve, theirs: Curve) -> Comparison:
    values = {str(x): v for x, v in zip(theirs.x, theirs.values[0], strict=True)}
    both = [i for i, x in enumerate(ours.x) if str(x) in values]
    published_values = [values[str(ours.x[i])] for i in both]
    middle = [band(ours).middle[i] for i in both]
    ranges = [[one[i] for one in ours.values.values()] for i in both]
    logarithmic = panel.scale == "log"
    pairs = [
        (m, p)
        for m, p in zip(middle, published_values, strict=True)
        if not logarithmic or (m > 0.0 and p > 0.0)
    ]
    what = panel.quantity.replace("\n", " ")
    return Comparison(
        figure,
        panel.dataset,
        what if ours is panel.curves[0] else f"{what}, {ours.label}",
        len(both),
        sum(min(r) <= p <= max(r) for r, p in zip(ranges, published_values, strict=True)),
        median([_apart(m, p, logarithmic=logarithmic) for m, p in pairs]),
        _spearman(middle, published_values),
        logarithmic,
    )


def _apart(ours: float, theirs: float, *, logarithmic: bool) -> float:
    return abs(math.log10(ours / theirs)) if logarithmic else abs(ours - theirs)


def _spearman(first: list[float], second: list[float]) -> float:
    import pandas as pd  # noqa: PLC0415  - slow to import

    ranks = [pd.Series(values).rank() for values in (first, second)]
    return float(ranks[0].corr(ranks[1]))
