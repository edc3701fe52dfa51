"""Pictures of data sets: some samples, the targets against one another, the spectrum of Σ_Y."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deepnrc.data.facts import DataFacts, data_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from deepnrc.data.source import RawData

__all__ = ["dataset_figure"]

_PURPLE, _ORANGE, _GREY = "#6a3d9a", "#e08214", "#8c8c8c"
_POINTS = 3000  # of a scatter; more hide one another
_SHEET = (3, 8)  # rows and columns of sample images
_LEAST_SHARE = 1e-9  # below it the bars would show rounding only


def dataset_figure(raw: "RawData", *, title: str, note: str = "") -> "Figure":
    """What a set looks like: sample images if it has any, its targets, their spectrum.

    Args:
        raw: The set in its own units.
        title: Above the figure.
        note: Below it: what the set was made from.

    Returns:
        A matplotlib figure, not attached to any window.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  - slow to import

    facts = data_facts(raw)
    images = not isinstance(raw.inputs, Tensor)
    figure = Figure(figsize=(11.0, 8.2 if images else 4.0), layout="constrained")
    numbers: Any = figure
    if images:
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.25, 1.0))
        top, numbers = halves
        _draw_images(top, raw, facts)
    alone = len(facts.target_names) == 1
    panels = numbers.subplots(1, 2 if alone else 3, width_ratios=(2, 1) if alone else (1.2, 1, 1))
    _draw_targets(panels[0], raw.targets, facts)
    if not alone:
        _draw_correlations(panels[1], facts)
    _draw_spectrum(panels[-1], facts)
    figure.suptitle(title, fontsize=12)
    if note:
        figure.supxlabel(note, fontsize=8, color=_GREY, wrap=True)
    return figure


def _draw_images(figure: Any, raw: "RawData", facts: DataFacts) -> None:
    count = min(_SHEET[0] * _SHEET[1], facts.rows)
    rows = torch.linspace(0, facts.rows - 1, count).long()
    images = raw.inputs[rows]
    low, high = images.min(), images.max()
    images = (images - low) / (high - low).clamp(min=1e-12)  # whatever its reader's normalisation
    grid = list(figure.subplots(*_SHEET).flat)
    for axes in grid:
        axes.axis("off")
    for axes, image, targets in zip(grid, images, raw.targets[rows], strict=False):
        axes.imshow(image.permute(1, 2, 0).squeeze().numpy(), cmap="gray")
        axes.set_title(", ".join(f"{value:.3g}" for value in targets.tolist()), fontsize=8)
    names = ", ".join(facts.target_names)
    figure.suptitle(f"samples, each with its {names}", fontsize=9, color=_GREY)


def _draw_targets(axes: "Axes", targets: Tensor, facts: DataFacts) -> None:
    _bare(axes)
    names = facts.target_names
    if len(names) == 1:
        axes.hist(targets[:, 0].numpy(), bins=40, color=_PURPLE)
        axes.set(xlabel=names[0], ylabel="rows", title="distribution of the target")
        return
    step = -(-facts.rows // _POINTS)
    shown = targets[::step]
    colored = len(names) > 2
    points = axes.scatter(
        shown[:, 0].numpy(),
        shown[:, 1].numpy(),
        c=shown[:, 2].numpy() if colored else _PURPLE,
        s=5,
        alpha=0.6,
        linewidths=0,
    )
    if colored:
        assert axes.figure is not None
        bar = axes.figure.colorbar(points, ax=axes, label=names[2])
        assert bar.solids is not None
        bar.solids.set_alpha(1.0)
    for axis, (low, high) in zip("xy", facts.ranges, strict=False):
        if low > 0.0 and high > 30.0 * low:
            axes.set(**{f"{axis}scale": "log"})
    axes.set(xlabel=names[0], ylabel=names[1], title="targets, in their own units")


def _draw_correlations(axes: "Axes", facts: DataFacts) -> None:
    values = torch.tensor(facts.correlations)
    axes.imshow(values.numpy(), vmin=-1.0, vmax=1.0, cmap="PuOr_r")
    t = len(values)
    if t <= 12:
        for i in range(t):
            for j in range(t):
                value = float(values[i, j])
                axes.text(
                    j,
                    i,
                    f"{value:.3f}" if t <= 5 else f"{value:.1f}",
                    ha="center",
                    va="center",
                    fontsize=9 if t <= 5 else 6,
                    color="white" if abs(value) > 0.6 else "black",
                )
        names = facts.target_names
        upright = 90 if max(map(len, names)) > 4 else 0
        axes.set_xticks(range(t), names, rotation=upright, fontsize=8)
        axes.set_yticks(range(t), names, fontsize=8)
    axes.set_title("correlations of the targets")


def _draw_spectrum(axes: "Axes", facts: DataFacts) -> None:
    _bare(axes)
    t = len(facts.spectrum)
    place = torch.arange(t)
    for shift, color, label, values in (
        (-0.2, _PURPLE, "own units", facts.spectrum),
        (0.2, _ORANGE, "standardized", facts.standardized_spectrum),
    ):
        total = sum(values)
        shares = [max(value / total, 0.0) if total else 0.0 for value in values]
        axes.bar((place + 1 + shift).numpy(), shares, width=0.38, color=color, label=label)
    drawn = [share for share in _shares(facts) if share > _LEAST_SHARE]
    if drawn:
        axes.set_yscale("log")
        axes.set_ylim(min(min(drawn) / 3, 0.03), 10.0)  # the legend is above the bars
    axes.set_xticks(range(1, t + 1, -(-t // 12)))
    axes.set(xlabel="eigenvalue number", ylabel="share of the variance", title="spectrum of Σ_Y")
    axes.legend(frameon=False, fontsize=8)


def _shares(facts: DataFacts) -> list[float]:
    both = (facts.spectrum, facts.standardized_spectrum)
    return [value / sum(values) for values in both if sum(values) for value in values]


def _bare(axes: "Axes") -> None:
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
