"""Drawing panels: the median of the seeds as a line, their 10–90 % range as a band."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepnrc.errors import ArgumentError
from deepnrc.report import style
from deepnrc.report.matplotlib_figure import new_figure
from deepnrc.report.panels import Curve, Panel, PanelGrid, band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["panel_figure"]

_SALMON = "#f08a70"
_LEVELS = (
    "#b8a1cc",
    "#8f6bb8",
    "#6a3d9a",
    "#3c1a66",
    "#1d0838",
)  # light to dark, for increasing values
_MANY = (
    style.PURPLE,
    "#1f78b4",
    style.GREEN,
    "#e08214",
    style.RED,
    "#8c510a",
    "#35978f",
    "#dd6fa4",
)
_STYLES: dict[str, dict[str, Any]] = {
    "main": {"color": style.PURPLE, "marker": "o"},
    "noise": {"color": _SALMON, "marker": "s"},
    "reference": {"color": style.RED, "linestyle": "--"},
    "chance": {"color": style.GREY, "linestyle": ":"},
    "published": {"color": "black", "linestyle": "-.", "marker": "x", "linewidth": 1.0},
    "test": {"color": _SALMON, "linestyle": "--", "marker": "s"},
}
_DENSE = 40  # a curve with more points than this is drawn without markers


def panel_figure(grid: PanelGrid, notes: Sequence[str] = ()) -> "Figure":
    """Draw panels in rows.

    Args:
        grid: The panels.
        notes: Small print below: the title, what the figure was made from.

    Raises:
        ArgumentError: There is no panel.
    """
    if not grid.rows or not grid.rows[0]:
        raise ArgumentError("grid must hold at least one panel; it is empty")
    columns = len(grid.rows[0])
    width = max(_width(panel) for panel in grid) * columns
    drawn = new_figure(figsize=(width, 2.5 * len(grid.rows) + 1.2), layout="constrained")
    places = drawn.subplots(len(grid.rows), columns, squeeze=False)
    levels = _level_styles(grid)
    for axes, panel in zip(places.flat, grid, strict=True):
        _draw(axes, panel, levels)
    _legends(drawn, places, levels)
    style.small_print(drawn, notes, fontsize=7, characters=16 * width, last=_seeds(grid))
    return drawn


def _width(panel: Panel) -> float:
    names = max(len(curve.x) for curve in panel.curves)
    return min(max(3.6, 0.3 * names + 1.2), 7.0) if _named(panel) else 3.8


def _named(panel: Panel) -> bool:
    return isinstance(panel.curves[0].x[0], str)


def _level_styles(grid: PanelGrid) -> dict[str, dict[str, Any]]:
    """Styles by label, so that a setting looks the same in every panel."""
    labels = list(dict.fromkeys(c.label for p in grid for c in p.curves if c.kind == "level"))
    with contextlib.suppress(ValueError):  # labels such as "decay 0.001"
        labels.sort(key=lambda label: float(label.split()[-1]))
    count = max(len(labels) - 1, 1)
    styles = {}
    for place, label in enumerate(labels):
        few = len(labels) <= len(_LEVELS)
        color = (
            _LEVELS[round(place * (len(_LEVELS) - 1) / count)] if few else _MANY[place % len(_MANY)]
        )
        styles[label] = {"color": color, "marker": "o^svDP*X"[place % 8]}
    return styles


def _draw(axes: "Axes", panel: Panel, levels: Mapping[str, dict[str, Any]]) -> None:
    positions = _positions(panel)
    for curve in panel.curves:
        xs = [positions[str(x)] for x in curve.x] if positions else [float(x) for x in curve.x]
        _draw_curve(axes, curve, xs, levels)
    if panel.mark is not None:
        x, label = panel.mark
        place = positions[str(x)] if positions else float(x)
        axes.axvline(place, color=style.GREEN, linewidth=1.6, label=label)
    axes.set_title(panel.title, fontsize=10)
    axes.set_ylabel(panel.quantity, fontsize=9)
    axes.set_xlabel(panel.x_label, fontsize=8)
    axes.tick_params(labelsize=8)
    style.clear_frame(axes)
    if positions:
        style.name_layers(axes, list(positions), fontsize=7)
    elif panel.x_scale == "symlog":
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=0)
    else:
        axes.set_xscale(panel.x_scale)
    _scale(axes, panel)


def _positions(panel: Panel) -> dict[str, int]:
    """The position of each layer; empty where x is a number."""
    if not _named(panel):
        return {}
    names = dict.fromkeys(str(x) for curve in panel.curves for x in curve.x)
    return {name: place for place, name in enumerate(names)}


def _draw_curve(
    axes: "Axes", curve: Curve, xs: list[Any], levels: Mapping[str, dict[str, Any]]
) -> None:
    look: dict[str, Any] = {"linewidth": 1.4, "markersize": 3.5, **_STYLES.get(curve.kind, {})}
    if curve.kind == "level":
        look |= levels[curve.label]
    if len(curve.x) > _DENSE or len(curve.x) == 2:
        look.pop("marker", None)
    shown = band(curve)
    axes.plot(xs, shown.middle, label=curve.label, **look)
    if len(curve.values) > 1:
        axes.fill_between(xs, shown.low, shown.high, color=look["color"], alpha=0.18, linewidth=0)


def _scale(axes: "Axes", panel: Panel) -> None:
    if panel.scale == "unit":
        axes.set_ylim(-0.03, 1.05)
        return
    values = [v for c in panel.curves for b in (band(c),) for v in (*b.low, *b.high)]
    known = [value for value in values if math.isfinite(value)]
    limits = style.log_limits(known)
    if panel.scale == "log" and limits is not None:
        axes.set_yscale("log")
        axes.set_ylim(*limits)
    elif known and min(known) >= 0.0:
        axes.set_ylim(bottom=0.0, top=max(max(known) * 1.08, 1e-12))


def _legends(drawn: "Figure", grid: Any, levels: Mapping[str, Any]) -> None:
    """One legend for the whole figure where it is short, otherwise one in each panel."""
    entries = [dict(zip(*reversed(a.get_legend_handles_labels()), strict=True)) for a in grid.flat]
    merged: dict[str, Any] = {}
    for labelled in entries:
        merged.update(labelled)
    order = [label for label in merged if label not in levels] + [x for x in levels if x in merged]
    if len(merged) <= 10:
        drawn.legend(
            [merged[label] for label in order],
            order,
            loc="outside upper center",
            ncols=max(1, min(len(merged), int(drawn.get_figwidth() / 1.9))),
            frameon=False,
            fontsize=8,
        )
        return
    for axes in grid.flat:
        axes.legend(frameon=False, fontsize=7)


def _seeds(grid: PanelGrid) -> str:
    counts = sorted({len(c.values) for p in grid for c in p.curves if c.kind != "published"})
    if counts == [1]:
        return "Single runs: no bands."
    seeds = str(counts[-1]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    single = "; where there is no band, a single run" if counts[0] == 1 else ""
    return f"Lines: median of {seeds} seeds; bands: 10–90 %{single}."
