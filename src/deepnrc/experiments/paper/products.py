"""Figures and tables as files: pictures, values, words."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepnrc.experiments.paper.figure import Product
from deepnrc.report.figures import save_figure
from deepnrc.report.heat_maps import HeatMaps, heat_figure, heat_frame
from deepnrc.report.panel_figures import panel_figure
from deepnrc.report.panels import Panel, PanelGrid, panel_frame
from deepnrc.storage.atomic import make_folder, write_atomically
from deepnrc.support.text import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["markdown", "write_product"]

_KINDS = ("pdf", "svg", "png")


def write_product(
    product: Product, folder: Path, *, kinds: Sequence[str] = _KINDS, published: bool = True
) -> tuple[Path, ...]:
    """Write a figure as pictures, its values as CSV and what it shows as text.

    Args:
        product: The figure or table; a table is written as Markdown in place of pictures.
        folder: The folder, created if it is missing.
        kinds: The formats of the pictures.
        published: Whether the published curves are drawn over ours.

    Returns:
        The files written.

    Raises:
        FileError: The folder cannot be created or written to.
    """
    make_folder(folder)
    stem, content = folder / product.name, product.content
    notes = (f"{product.title}.", *product.made_from)
    files: tuple[Path, ...]
    if isinstance(content, Table):
        files, values = (folder / f"{product.name}.md",), _table_frame(content)
        write_atomically(files[0], (markdown(content.headings, content.rows) + "\n").encode())
    elif isinstance(content, HeatMaps):
        files = save_figure(heat_figure(content, notes), stem, kinds)
        values = heat_frame(product.name, content)
    else:
        shown = content if published else _without_published(content)
        files = save_figure(panel_figure(shown, notes), stem, kinds)
        values = panel_frame(product.name, shown)
    numbers, words = folder / f"{product.name}.csv", folder / f"{product.name}.txt"
    write_atomically(numbers, values.to_csv(index=False).encode())
    write_atomically(words, (product.text + "\n").encode())
    return (*files, numbers, words)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (headings, ["---"] * len(headings), *rows)
    )


def _table_frame(table: Table) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415  - slow to import

    return pd.DataFrame(list(table.rows), columns=list(table.headings))


def _without_published(grid: PanelGrid) -> PanelGrid:
    def ours(panel: Panel) -> Panel:
        return replace(panel, curves=tuple(c for c in panel.curves if c.kind != "published"))

    return PanelGrid([[ours(panel) for panel in row] for row in grid.rows])
