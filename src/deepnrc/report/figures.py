"""The figure of a measurement: Deep NRC by layer, in the layout of the paper's Figure 1."""

import io
import math
import os
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepnrc.errors import ArgumentError
from deepnrc.report import style
from deepnrc.report.matplotlib_figure import new_figure
from deepnrc.report.quantities import CONDITIONS, Quantity
from deepnrc.storage.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from deepnrc.results.diagnosis import Diagnosis
    from deepnrc.results.measurement import Measurement

__all__ = ["layer_figure", "save_figure"]


def layer_figure(
    runs: Mapping[str, tuple["Measurement", "Diagnosis"]], *, note: str = ""
) -> "Figure":
    """NRC1 to NRC4 by layer: one column per network, one row per condition [RU26, Figure 1].

    Green line: the first collapsed layer. Dashed red line: the model's own error. Dotted grey
    line: the alignment of unrelated subspaces. Undefined values leave a gap.

    Args:
        runs: Measurement and diagnosis by the title of the column.
        note: What the figure was made from, printed below it.

    Returns:
        A matplotlib figure, not attached to any window.

    Raises:
        ArgumentError: ``runs`` is empty.
    """
    if not runs:
        raise ArgumentError("runs must hold at least one (measurement, diagnosis); it is empty")
    layers = max(len(measurement) for measurement, _ in runs.values())
    width = min(max(4.2, 0.32 * layers + 1.6), 9.0)
    figure = new_figure(figsize=(width * len(runs), 8.6), layout="constrained")
    grid = figure.subplots(4, len(runs), squeeze=False, sharey="row", sharex="col")
    for row, quantity in zip(grid, CONDITIONS, strict=True):
        for axes, (measurement, diagnosis) in zip(row, runs.values(), strict=True):
            _draw(axes, measurement, diagnosis, quantity.metric)
        row[0].set_ylabel(quantity.label)
        _scale(row, [measurement for measurement, _ in runs.values()], quantity)
    for column, (title, (measurement, _)) in enumerate(runs.items()):
        grid[0][column].set_title(textwrap.fill(title, int(8 * width)), fontsize=11)
        style.name_layers(grid[3][column], measurement.names, fontsize=8)
        grid[3][column].set_xlabel("layer (its input is measured)")
    _legend(figure, grid)
    if note:
        style.small_print(figure, note.splitlines(), fontsize=8, characters=14 * width * len(runs))
    return figure


def save_figure(
    figure: "Figure", stem: str | os.PathLike[str], kinds: Sequence[str] = ("png", "pdf")
) -> tuple[Path, ...]:
    """Write a figure in several formats beside one another, each whole or not at all.

    Args:
        figure: Any matplotlib figure.
        stem: Path without the ending.
        kinds: ``"png"``, ``"pdf"``, ``"svg"``.

    Returns:
        The files written.

    Raises:
        FileError: The folder is missing or cannot be written to.
    """
    paths = []
    for kind in kinds:
        # Without a date, the same figure gives the same file.
        metadata: dict[str, Any] = {"CreationDate": None} if kind == "pdf" else {}
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=160, metadata=metadata)
        path = Path(f"{os.fspath(stem)}.{kind}")
        write_atomically(path, content.getvalue())
        paths.append(path)
    return tuple(paths)


def _draw(axes: Any, measurement: "Measurement", diagnosis: "Diagnosis", metric: str) -> None:
    positions = range(len(measurement))
    values = [getattr(layer, metric) for layer in measurement]
    axes.plot(
        positions, values, "o-", color=style.PURPLE, markersize=4, linewidth=1.4, label="layers"
    )
    if diagnosis.first_collapsed_layer is not None:
        first = measurement.names.index(diagnosis.first_collapsed_layer)
        axes.axvline(first, color=style.GREEN, linewidth=1.6, label="first collapsed layer")
    if metric == "linear_prediction_mse" and not math.isnan(measurement.model_mse):
        dashed = {"color": style.RED, "linestyle": "--", "linewidth": 1.3}
        axes.axhline(measurement.model_mse, label="model's own MSE", **dashed)
    if metric == "feature_weight_alignment":
        chance = [layer.random_alignment for layer in measurement]
        axes.plot(
            positions, chance, ":", color=style.GREY, linewidth=1.3, label="unrelated subspaces"
        )
    style.clear_frame(axes)


def _scale(row: Any, shown: Collection["Measurement"], quantity: Quantity) -> None:
    """One y axis for all networks."""
    if quantity.scale == "unit":
        row[0].set_ylim(-0.03, 1.05)
        return
    values = [getattr(layer, quantity.metric) for measurement in shown for layer in measurement]
    if quantity.metric == "linear_prediction_mse":
        values += [measurement.model_mse for measurement in shown]
    limits = style.log_limits(values)
    if limits is not None:
        for axes in row:
            axes.set_yscale("log")
        row[0].set_ylim(*limits)


def _legend(figure: "Figure", grid: Any) -> None:
    entries: dict[str, Any] = {}
    for axes in grid.flat:
        handles, labels = axes.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside upper center",
        ncols=2 if grid.shape[1] == 1 else 4,
        frameon=False,
        fontsize=9,
    )
