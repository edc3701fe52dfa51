"""Figures and tables as files: pictures, values, words."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deepnrc.errors import FileError
from deepnrc.experiments.paper.items import Product
from deepnrc.experiments.paper.tables import TableFigure, markdown, table_frame
from deepnrc.report.figures import save_figure
from deepnrc.report.heat_maps import HeatFigure, heat_figure, heat_frame
from deepnrc.report.panel_figures import panel_figure
from deepnrc.report.panels import PanelFigure, frame
from deepnrc.storage.atomic import write_whole

__all__ = ["KINDS", "write_product"]

KINDS = ("pdf", "svg", "png")


def write_product(
    product: Product, folder: Path, *, kinds: Sequence[str] = KINDS, published: bool = True
) -> tuple[Path, ...]:
    """Write a figure as pictures, its values as CSV and what it shows as text.

    Args:
        product: The figure or table; of a table the Markdown stands for the picture.
        folder: Made if need be.
        kinds: Of pictures.
        published: Whether the published curves are drawn over ours.

    Returns:
        The files written.

    Raises:
        FileError: The folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make '{folder}': {error.strerror or error}") from error
    stem = folder / product.name
    files: tuple[Path, ...]
    if isinstance(product, TableFigure):
        table = folder / f"{product.name}.md"
        write_whole(table, (markdown(product.headings, product.cells) + "\n").encode())
        files, values = (table,), table_frame(product)
    elif isinstance(product, HeatFigure):
        files, values = save_figure(heat_figure(product), stem, kinds), heat_frame(product)
    else:
        shown = product if published else _without_published(product)
        files, values = save_figure(panel_figure(shown), stem, kinds), frame(shown)
    numbers, words = folder / f"{product.name}.csv", folder / f"{product.name}.txt"
    write_whole(numbers, values.to_csv(index=False).encode())
    write_whole(words, (product.text + "\n").encode())
    return (*files, numbers, words)


def _without_published(figure: PanelFigure) -> PanelFigure:
    rows = tuple(
        tuple(
            replace(panel, curves=tuple(c for c in panel.curves if c.kind != "published"))
            for panel in row
        )
        for row in figure.rows
    )
    return replace(figure, rows=rows)
