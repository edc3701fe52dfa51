"""A table of a paper made again: headings, cells as text, and where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableFigure", "markdown", "table_frame"]


@dataclass(frozen=True)
class TableFigure:
    """A table.

    Attributes:
        name: Of its files.
        title: What it shows.
        headings: One a column.
        cells: Rows of text.
        made_from: Which data and settings.
        findings: What the table shows in these runs.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    made_from: tuple[str, ...]
    findings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Title, findings and sources as lines."""
        return "\n".join([f"{self.name}: {self.title}", *self.findings, *self.made_from])


def table_frame(table: TableFigure) -> "pd.DataFrame":
    """The cells as they are."""
    import pandas as pd  # noqa: PLC0415  - slow to import

    return pd.DataFrame(list(table.cells), columns=list(table.headings))


def markdown(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [headings, ["---"] * len(headings), *cells]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
    )
