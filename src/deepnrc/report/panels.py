"""What a figure shows, as numbers: panels of curves, each curve with the runs behind it.

The same record is drawn (`deepnrc.report.panel_figures`) and written as a table of values, so that
picture and file cannot disagree.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Band", "Curve", "Panel", "PanelGrid", "band", "median", "panel_frame"]

COLUMNS = ("figure", "panel", "dataset", "quantity", "series", "seed", "x", "value")


@dataclass(frozen=True)
class Curve:
    """One line of a panel, from one or more runs.

    Attributes:
        label: The name in the legend.
        x: Layer names, or numbers.
        values: By seed, one value for each x; NaN where undefined.
        kind: The role of the curve, which decides how it looks: ``"main"``, ``"noise"``,
            ``"test"``, ``"reference"`` (a value of the network or of theory), ``"chance"``,
            ``"published"``, or ``"level"`` (one of several settings).
        beside: The label of the curve that a published one is compared with.
    """

    label: str
    x: tuple[str | float, ...]
    values: Mapping[int, Sequence[float]]
    kind: str = "main"
    beside: str = ""


@dataclass(frozen=True)
class Band:
    """Median over the seeds and the range from their 10th to their 90th percentile, at each x."""

    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: The text above the panel, or empty.
        dataset: The name of the data set.
        quantity: The text on the y axis.
        curves: At least one.
        x_label: The text on the x axis.
        scale: The scale of the y axis: ``"log"``, ``"linear"``, or ``"unit"`` from 0 to 1.
        x_scale: The scale of an x axis of numbers: ``"log"``, ``"linear"``, or ``"symlog"``, which
            shows 0 and is logarithmic from 1 on.
        mark: The x of a green vertical line and its label, or None.
    """

    title: str
    dataset: str
    quantity: str
    curves: tuple[Curve, ...]
    x_label: str = "layer (its input is measured)"
    scale: str = "linear"
    x_scale: str = "linear"
    mark: tuple[str | float, str] | None = None


@dataclass(frozen=True)
class PanelGrid:
    """The panels of a figure.

    Attributes:
        rows: Rows of panels, all of one length.
    """

    rows: Sequence[Sequence[Panel]]

    def __iter__(self) -> Iterator[Panel]:
        return (panel for row in self.rows for panel in row)


def band(curve: Curve) -> Band:
    """The median and the 10–90 % range of a curve's runs; NaNs are left out."""
    columns = list(zip(*curve.values.values(), strict=True))
    return Band(
        tuple(_quantile(column, 0.5) for column in columns),
        tuple(_quantile(column, 0.1) for column in columns),
        tuple(_quantile(column, 0.9) for column in columns),
    )


def median(values: Sequence[float]) -> float:
    """The median without NaNs; NaN where nothing else is left."""
    return _quantile(values, 0.5)


def panel_frame(name: str, grid: PanelGrid) -> "pd.DataFrame":
    """Every value drawn: one row for each panel, curve, seed and x.

    Columns: figure (the given name), panel (counted from 1), dataset, quantity, series, seed, x,
    value. Published values have no seed.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    rows = [
        [
            name,
            number,
            panel.dataset,
            panel.quantity.replace("\n", " "),
            curve.label,
            None if curve.kind == "published" else seed,
            x,
            value,
        ]
        for number, panel in enumerate(grid, start=1)
        for curve in panel.curves
        for seed, values in curve.values.items()
        for x, value in zip(curve.x, values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["seed"] = table["seed"].astype("Int64")
    return table


def _quantile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between the nearest two values; NaN without any."""
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return math.nan
    place = share * (len(known) - 1)
    below = math.floor(place)
    above = min(below + 1, len(known) - 1)
    if known[below] == known[above]:  # also where both are infinite
        return known[below]
    return known[below] + (place - below) * (known[above] - known[below])
