"""Plain text: numbers at three digits, aligned tables that read the same in a file and a pipe."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Table", "counted", "number", "shown", "sizes"]


@dataclass(frozen=True)
class Table:
    """Headings, rows of cells, and footnotes."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnotes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Names in it may come from anywhere: each cell is one line that a terminal only shows."""
        for name, lines in (("headings", (self.headings,)), ("rows", self.rows)):
            escaped = tuple(tuple(shown(c).replace("\n", "\\n") for c in line) for line in lines)
            object.__setattr__(self, name, escaped if name == "rows" else escaped[0])
        object.__setattr__(self, "footnotes", tuple(shown(line) for line in self.footnotes))

    def __str__(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.headings))]
        text = [_aligned(line, widths) for line in lines]
        text.insert(1, "─" * len(text[0]))
        return "\n".join([*text, *self.footnotes])


def number(value: float) -> str:
    """A value at three significant digits; ``–`` for one that is not defined."""
    if math.isnan(value):
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def shown(text: object) -> str:
    r"""A name or message from elsewhere as it may be printed: what a terminal would obey, escaped.

    Line breaks stay in messages of several lines; a tab, an escape sequence, a change of the
    writing direction and the like are shown as Python writes them.

    Example:
        >>> print(shown("layer\x1b[2J"))
        layer\x1b[2J
    """
    text = str(text)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def counted(count: int, one: str, many: str = "") -> str:
    """A number and its noun: ``"1 layer"``, ``"3 batches"``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def sizes(of_axes: Iterable[int]) -> str:
    """Sizes of axes: ``"4 × 6"``; ``"no"`` of none."""
    return " × ".join(map(str, of_axes)) or "no"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = cells
    return "  ".join(
        [first.ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
    )
