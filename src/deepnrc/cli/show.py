"""Measurements and plans on the screen: a rich table on a terminal, plain text in a pipe."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import rich.box
import rich.console
import rich.table

from deepnrc.cli.advice import in_options
from deepnrc.support.text import shown as printable

if TYPE_CHECKING:
    from deepnrc.results.diagnosis import Diagnosis
    from deepnrc.results.measurement import Measurement
    from deepnrc.results.plan import Plan

__all__ = ["show_diagnosis", "show_measurement"]


def show_measurement(
    measurement: "Measurement | Plan", *, title: str | None = None, options: Iterable[str] = ()
) -> None:
    """Summary, table and notes on standard output.

    Args:
        measurement: Or a plan.
        title: A line above.
        options: Of the command, which the notes speak of.
    """
    if title:
        print(f"\n{title}")
    if not sys.stdout.isatty():
        print(in_options(str(measurement), options))
        return
    table = measurement.table
    console = rich.console.Console(highlight=False)
    console.print(printable(measurement.summary), markup=False)
    shown = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for i, heading in enumerate(table.headings):
        shown.add_column(heading, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in table.rows:
        shown.add_row(*(rich.text.Text(cell) for cell in row))
    console.print(shown)
    for note in (*table.footnotes, *measurement.details):
        console.print(printable(in_options(note, options)), markup=False, style="dim")


def show_diagnosis(diagnosis: "Diagnosis", *, options: Iterable[str] = ()) -> None:
    """The diagnosis in words, its first line in bold on a terminal; options as above."""
    text = in_options(str(diagnosis), options)
    if not sys.stdout.isatty():
        print(text)
        return
    headline, _, rest = text.partition("\n")
    console = rich.console.Console(highlight=False)
    color = "green" if diagnosis.first_collapsed_layer else "yellow"
    console.print(headline, markup=False, style=f"bold {color}")
    console.print(rest, markup=False)
