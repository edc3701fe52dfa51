"""Numbers over two settings: each cell shows the median of its seeds and their range."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepnrc.report import style
from deepnrc.report.matplotlib_figure import new_figure
from deepnrc.report.panels import COLUMNS, median

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["HeatMaps", "HeatPanel", "heat_figure", "heat_frame"]


@dataclass(frozen=True)
class HeatPanel:
    """One map.

    Attributes:
        title: The text above the map.
        dataset: The name of the data set.
        xs: Values along the x axis.
        ys: Values along the y axis, from below.
        cells: Values by (x, y), then by seed; NaN where undefined.
    """

    title: str
    dataset: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    cells: Mapping[tuple[float, float], Mapping[int, float]]


@dataclass(frozen=True)
class HeatMaps:
    """Maps side by side.

    Attributes:
        x_label: The text on the x axes.
        y_label: The text on the y axes.
        quantity: What the cells hold.
        panels: At least one.
    """

    x_label: str
    y_label: str
    quantity: str
    panels: Sequence[HeatPanel]


def heat_figure(maps: HeatMaps, notes: Sequence[str] = ()) -> "Figure":
    """Draw the maps with the median in each cell, and the seeds' range where they differ.

    Args:
        maps: What to draw.
        notes: Small print below: the title, what the figure was made from.
    """
    count = len(maps.panels)
    width = max(3.2, 0.75 * len(maps.panels[0].xs) + 1.2)
    height = 0.5 * len(maps.panels[0].ys) + 2.2
    drawn = new_figure(figsize=(width * count, height), layout="constrained")
    grid = drawn.subplots(1, count, squeeze=False)[0]
    cells = [cell for panel in maps.panels for cell in panel.cells.values()]
    top = max([v for cell in cells for v in cell.values() if math.isfinite(v)], default=1.0)
    for axes, panel in zip(grid, maps.panels, strict=True):
        _draw(axes, panel, top)
        axes.set_xlabel(maps.x_label, fontsize=9)
    grid[0].set_ylabel(maps.y_label, fontsize=9)
    counts = {len(cell) for cell in cells}
    seeds = "–".join(str(count) for count in sorted({min(counts), max(counts)}))
    last = f"{maps.quantity}: median of {seeds} seeds, in brackets their range."
    style.small_print(drawn, notes, fontsize=7, characters=16 * width * count, last=last)
    return drawn


def heat_frame(name: str, maps: HeatMaps) -> "pd.DataFrame":
    """Every value: the columns of `panel_frame`; the series names the y value and the map."""
    import pandas as pd  # noqa: PLC0415  - slow to import

    rows = [
        [
            name,
            number,
            panel.dataset,
            maps.quantity,
            f"{maps.y_label} = {y:g}; {panel.title}",
            seed,
            x,
            value,
        ]
        for number, panel in enumerate(maps.panels, start=1)
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
            color = "white" if dark else "black"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
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
