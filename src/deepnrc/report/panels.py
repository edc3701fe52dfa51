"""What a figure of a paper shows, as numbers: panels of curves, each with the runs behind it.

The same record is drawn (`deepnrc.report.panel_figures`), written as a table of values, and put
into words, so that picture, file and text cannot disagree.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Band", "Curve", "Panel", "PanelFigure", "band", "frame", "median"]

COLUMNS = ("figure", "panel", "dataset", "quantity", "series", "seed", "x", "value")


@dataclass(frozen=True)
class Curve:
    """One line of a panel, from one or more runs.

    Attributes:
        label: In the legend.
        x: Layer names, or numbers.
        values: By seed, one for each x; NaN where undefined.
        kind: What it is, which decides how it looks: ``"main"``, ``"noise"``, ``"test"``,
            ``"reference"`` (what a network or theory gives), ``"chance"``, ``"published"``, or
            ``"level"``, one of several settings.
        beside: Of a published curve, the label of the one it is to be held against.
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
        title: Above it; empty for none.
        dataset: That it was made from.
        quantity: On the y axis, as text.
        curves: At least one.
        x_label: On the x axis.
        scale: Of the y axis: ``"log"``, ``"linear"``, or ``"unit"`` from 0 to 1.
        x_scale: Of an x axis of numbers: ``"log"``, ``"linear"``, or ``"symlog"``, which shows 0
            and is logarithmic from 1 on.
        mark: Where the green line stands: x, with what to call it; None for none.
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
class PanelFigure:
    """A whole figure.

    Attributes:
        name: Of its files, such as ``"fig2"``.
        title: What it shows.
        rows: Of panels; all of one length.
        made_from: Which data and settings, one line a data set.
        findings: What the panels show in these runs, one sentence each.
    """

    name: str
    title: str
    rows: tuple[tuple[Panel, ...], ...]
    made_from: tuple[str, ...]
    findings: tuple[str, ...] = ()

    @property
    def panels(self) -> Iterator[Panel]:
        """Row by row."""
        return (panel for row in self.rows for panel in row)

    @property
    def text(self) -> str:
        """Title, findings and sources as lines."""
        return "\n".join([f"{self.name}: {self.title}", *self.findings, *self.made_from])


def band(curve: Curve) -> Band:
    """The middle of a curve's runs, and the range of most of them; NaNs are left out."""
    columns = list(zip(*curve.values.values(), strict=True))
    return Band(
        tuple(_quantile(column, 0.5) for column in columns),
        tuple(_quantile(column, 0.1) for column in columns),
        tuple(_quantile(column, 0.9) for column in columns),
    )


def median(values: Sequence[float]) -> float:
    """The middle one, between two the mean; NaNs are left out, and of nothing else it is NaN."""
    return _quantile(values, 0.5)


def frame(figure: PanelFigure) -> "pd.DataFrame":
    """Every value drawn: one row for each panel, curve, seed and x.

    Columns: figure, panel, dataset, quantity, series, seed, x, value. Published values have no
    seed.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    rows = [
        [
            figure.name,
            number,
            panel.dataset,
            panel.quantity.replace("\n", " "),
            curve.label,
            None if curve.kind == "published" else seed,
            x,
            value,
        ]
        for number, panel in enumerate(figure.panels, start=1)
        for curve in panel.curves
        for seed, values in curve.values.items()
        for x, value in zip(curve.x, values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["seed"] = table["seed"].astype("Int64")
    return table


def _quantile(values: Sequence[float], share: float) -> float:
    """Between the nearest two in proportion; NaN of nothing."""
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return math.nan
    place = share * (len(known) - 1)
    below = math.floor(place)
    above = min(below + 1, len(known) - 1)
    if known[below] == known[above]:  # also where both are infinite
        return known[below]
    return known[below] + (place - below) * (known[above] - known[below])
