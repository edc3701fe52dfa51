"""Figures: Deep NRC by layer, in the layout of the paper's Figure 1."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepnrc.errors import ArgumentError, FileError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from deepnrc.results.diagnosis import Diagnosis
    from deepnrc.results.measurement import Measurement

__all__ = ["layer_figure", "save_figure"]

_PANELS = (
    ("noise_component", "NRC1\nnoise component", "log"),
    ("signal_target_cka", "NRC2\nCKA with targets", "unit"),
    ("feature_weight_alignment", "NRC3\nfeature–weight alignment", "unit"),
    ("linear_prediction_mse", "NRC4\nlinear prediction MSE", "log"),
)
_PURPLE, _GREEN, _RED, _GREY = "#6a3d9a", "#2e8b57", "#c62828", "#8c8c8c"
_LEAST_DRAWN = 1e-16  # of the largest value: below it a log axis would show rounding only


def layer_figure(
    runs: Mapping[str, tuple["Measurement", "Diagnosis"]], *, note: str = ""
) -> "Figure":
    """NRC1 to NRC4 by layer: one column a network, one row a condition [RU26, Figure 1].

    Green line: first collapsed layer; dashed red line: the model's own error; dotted grey line:
    what unrelated subspaces would give. Undefined values leave a gap.

    Args:
        runs: Measurement and diagnosis by the column's title.
        note: A line below the figure: what it was made from.

    Returns:
        A matplotlib figure, not attached to any window.

    Raises:
        ArgumentError: ``runs`` is empty.
    """
    if not runs:
        raise ArgumentError("runs must hold at least one (measurement, diagnosis); it is empty")
    from matplotlib.figure import Figure  # noqa: PLC0415  - slow to import

    layers = max(len(measurement) for measurement, _ in runs.values())
    width = min(max(4.2, 0.32 * layers + 1.6), 9.0)
    figure = Figure(figsize=(width * len(runs), 8.6), layout="constrained")
    grid = figure.subplots(4, len(runs), squeeze=False, sharey="row", sharex="col")
    for column, (title, (measurement, diagnosis)) in enumerate(runs.items()):
        for row, (metric, label, scale) in enumerate(_PANELS):
            axes = grid[row][column]
            _draw(axes, measurement, diagnosis, metric)
            if column == 0:
                axes.set_ylabel(label)
            _scale(grid[row], runs.values(), metric, scale)
        grid[0][column].set_title(textwrap.fill(title, int(8 * width)), fontsize=11)
        _name_layers(grid[3][column], measurement.names)
    _legend(figure, grid)
    if note:
        longest = int(14 * width * len(runs))  # characters that fit at this size
        lines = (textwrap.fill(line, longest) for line in note.splitlines())
        figure.supxlabel("\n".join(lines), fontsize=8, color=_GREY)
    return figure


def save_figure(
    figure: "Figure", stem: str | os.PathLike[str], kinds: Sequence[str] = ("png", "pdf")
) -> tuple[Path, ...]:
    """Write a figure in several formats beside one another, each whole or not at all.

    Args:
        figure: From this module.
        stem: Path without the ending.
        kinds: ``"png"``, ``"pdf"``, ``"svg"``.

    Returns:
        The files written.

    Raises:
        FileError: The folder is missing or cannot be written to.
    """
    paths = []
    for kind in kinds:
        target = Path(f"{os.fspath(stem)}.{kind}")
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            # Without a date, the same figure gives the same file.
            metadata: dict[str, Any] = {"CreationDate": None} if kind == "pdf" else {}
            figure.savefig(temporary, format=kind, dpi=160, metadata=metadata)
            temporary.replace(target)
        except OSError as error:
            raise FileError(f"cannot write '{target}': {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
        paths.append(target)
    return tuple(paths)


def _draw(axes: "Axes", measurement: "Measurement", diagnosis: "Diagnosis", metric: str) -> None:
    positions = range(len(measurement))
    values = [getattr(layer, metric) for layer in measurement]
    axes.plot(positions, values, "o-", color=_PURPLE, markersize=4, linewidth=1.4, label="layers")
    if diagnosis.first_collapsed_layer is not None:
        first = measurement.names.index(diagnosis.first_collapsed_layer)
        axes.axvline(first, color=_GREEN, linewidth=1.6, label="first collapsed layer")
    if metric == "linear_prediction_mse" and not math.isnan(measurement.model_mse):
        axes.axhline(
            measurement.model_mse,
            color=_RED,
            linestyle="--",
            linewidth=1.3,
            label="model's own MSE",
        )
    if metric == "feature_weight_alignment":
        chance = [layer.random_alignment for layer in measurement]
        axes.plot(positions, chance, ":", color=_GREY, linewidth=1.3, label="unrelated subspaces")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _scale(row: Any, runs: Any, metric: str, scale: str) -> None:
    if scale == "unit":
        row[0].set_ylim(-0.03, 1.05)
        return
    values = [getattr(layer, metric) for measurement, _ in runs for layer in measurement]
    if metric == "linear_prediction_mse":
        values += [measurement.model_mse for measurement, _ in runs]
    positive = [value for value in values if value > 0.0]
    if positive:
        for axes in row:
            axes.set_yscale("log")
        low = max(min(positive), _LEAST_DRAWN * max(positive))
        # Two decades at least: a narrower log axis has crowded labels and exaggerates.
        row[0].set_ylim(min(low / 2, max(positive) / 50), max(positive) * 2)


def _name_layers(axes: "Axes", names: tuple[str, ...]) -> None:
    step = -(-len(names) // 24)  # at most 24 names fit
    shown = list(range(0, len(names), step))
    upright = max(map(len, names)) > 4
    axes.set_xticks(shown, [names[i] for i in shown], rotation=90 if upright else 0, fontsize=8)
    axes.set_xlabel("layer (its input is measured)")


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
