"""What figures by layer share: colors, axes without a frame, limits of a logarithmic axis."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GREEN",
    "GREY",
    "PURPLE",
    "RED",
    "clear_frame",
    "log_limits",
    "name_layers",
    "small_print",
]

PURPLE, GREEN, RED, GREY = "#6a3d9a", "#2e8b57", "#c62828", "#8c8c8c"
_SMALLEST_DRAWN = 1e-16  # relative to the largest value: anything below is rounding
_MOST_NAMES = 24  # layer names that fit below one panel


def clear_frame(axes: "Axes") -> None:
    """Horizontal grid lines behind the curves, and no frame at the top and on the right."""
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def log_limits(values: Iterable[float]) -> tuple[float, float] | None:
    """The limits of a logarithmic axis that shows the positive values; None without any.

    At least two decades: a narrower logarithmic axis has crowded labels and exaggerates.
    """
    positive = [value for value in values if value > 0.0]
    if not positive:
        return None
    low, high = max(min(positive), _SMALLEST_DRAWN * max(positive)), max(positive)
    return min(low / 2, high / 50), high * 2


def name_layers(axes: "Axes", names: Sequence[str], *, fontsize: int) -> None:
    """Layer names along the x axis, upright where they are long; some where there are many."""
    step = -(-len(names) // _MOST_NAMES)
    shown = list(range(0, len(names), step))
    rotation = 90 if max(map(len, names)) > 4 else 0
    axes.set_xticks(shown, [names[i] for i in shown], rotation=rotation, fontsize=fontsize)


def small_print(
    figure: "Figure", lines: Iterable[str], *, fontsize: int, characters: float, last: str = ""
) -> None:
    """Grey lines below a figure, wrapped to its width; the last one as it is."""
    wrapped = [textwrap.fill(line, int(characters)) for line in lines]
    text = "\n".join([*wrapped, last] if last else wrapped)
    figure.supxlabel(text, fontsize=fontsize, color=GREY)
