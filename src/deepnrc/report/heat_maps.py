"""Numbers over two settings: each cell the median of its seeds, and their range."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepnrc.report.panels import COLUMNS, median

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["HeatFigure", "HeatPanel", "heat_figure", "heat_frame"]


@dataclass(frozen=True)
class HeatPanel:
    """One map.

    Attributes:
        title: Above it.
        dataset: That it was made from.
        xs: Values along the x axis.
        ys: Values along the y axis, from below.
        cells: Values by x and y, then by seed; NaN where undefined.
    """

    title: str
    dataset: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    cells: Mapping[tuple[float, float], Mapping[int, float]]


@dataclass(frozen=True)
class HeatFigure:
    """Maps side by side.

    Attributes:
        name: Of its files.
        title: What it shows.
        x_label: Of the x axes.
        y_label: Of the y axes.
        quantity: In the cells.
        panels: At least one.
        made_from: Which data and settings.
        findings: What the maps show in these runs.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    quantity: str
    panels: tuple[HeatPanel, ...]
    made_from: tuple[str, ...]
    findings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Title, findings and sources as lines."""
        return "\n".join([f"{self.name}: {self.title}", *self.findings, *self.made_from])


def heat_figure(figure: HeatFigure) -> "Figure":
    """Draw the maps, the median in each cell, with the seeds' range where they differ."""
    from matplotlib.figure import Figure  # noqa: PLC0415  - slow to import

    count = len(figure.panels)
    width = max(3.2, 0.75 * len(figure.panels[0].xs) + 1.2)
    height = 0.5 * len(figure.panels[0].ys) + 2.2
    drawn = Figure(figsize=(width * count, height), layout="constrained")
    grid = drawn.subplots(1, count, squeeze=False)[0]
    known = [v for p in figure.panels for c in p.cells.values() for v in c.values()]
    top = max([v for v in known if math.isfinite(v)], default=1.0)
    for axes, panel in zip(grid, figure.panels, strict=True):
        _draw(axes, panel, top)
        axes.set_xlabel(figure.x_label, fontsize=9)
    grid[0].set_ylabel(figure.y_label, fontsize=9)
    counts = {len(cell) for panel in figure.panels for cell in panel.cells.values()}
    seeds = "–".join(str(count) for count in sorted({min(counts), max(counts)}))
    lines = (f"{figure.title}.", *figure.made_from)
    small = [textwrap.fill(line, int(16 * width * count)) for line in lines]
    note = f"{figure.quantity}: median of {seeds} seeds, in brackets their range."
    drawn.supxlabel("\n".join([*small, note]), fontsize=7, color="#8c8c8c")
    return drawn


def heat_frame(figure: HeatFigure) -> "pd.DataFrame":
    """Every value: the columns of `deepnrc.report.panels.frame`; the series is the y value."""
    import pandas as pd  # noqa: PLC0415  - slow to import

    rows = [
        [
            figure.name,
            number,
            panel.dataset,
            figure.quantity,
            f"{figure.y_label} = {y:g}; {panel.title}",
            seed,
            x,
            value,
        ]
        for number, panel in enumerate(figure.panels, start=1)
        for (x, y), cell in panel.cells.items()
        for seed, value in cell.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _draw(axes: "Axes", panel: HeatPanel, top: float) -> None:
    middles = [[_middle(panel, x, y) for x in panel.xs] for y in panel.ys]
    axes.imshow(
        middles, origin="lower", cmap="Purples", vmin=0, vmax=max(top, 1e-12), aspect="auto"
    )
    for row, y in enumerate(panel.ys):
        for column, x in enumerate(panel.xs):
            middle = middles[row][column]
            dark = math.isfinite(middle) and middle > 0.6 * top
            text = _cell_text(list(panel.cells.get((x, y), {}).values()))
            style: dict[str, Any] = {"color": "white" if dark else "black", "fontsize": 8}
            axes.text(column, row, text, ha="center", va="center", **style)
    axes.set_xticks(range(len(panel.xs)), [f"{x:g}" for x in panel.xs], fontsize=8)
    axes.set_yticks(range(len(panel.ys)), [f"{y:g}" for y in panel.ys], fontsize=8)
    axes.set_title(panel.title, fontsize=10)


def _middle(panel: HeatPanel, x: float, y: float) -> float:
    return median(list(panel.cells.get((x, y), {}).values()))


def _cell_text(values: Sequence[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "–"
    low, high = min(known), max(known)
    range_ = "" if low == high else f"\n({low:g}–{high:g})"
    return f"{median(known):g}{range_}"
