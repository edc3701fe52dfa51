"""Texts of a column as numbers; what is no number is named with what to do."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deepnrc.data.tables.options import ReadOptions

__all__ = ["COMPLEX", "DATE", "EXACT", "INEXACT", "TRUTH", "CellError", "numbers"]

EXACT = 2**53
"""Beyond this, float64 does not hold every integer."""

_PLAIN = re.compile(r"[0-9.+\-eE \n]*")  # everything that float() takes of these is a number
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[\d.]*,\d*([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}.*)?|\d{4}-\d{2}")
_COMPLEX = re.compile(r"\(?[+-]?[\d.]+([eE][+-]?\d+)?[+-][\d.]+([eE][+-]?\d+)?[ij]\)?")
_TRUTH = {"true": 1.0, "false": 0.0}
_MISSING = frozenset(
    ("", "na", "n/a", "#n/a", "nan", "-nan", "+nan", "null", "none", "<na>", "#na", "nat")
)


class CellError(ValueError):
    """A cell that is no number.

    Attributes:
        row: Among the cells, from 0.
    """

    def __init__(self, row: int, cell: str, advice: str) -> None:
        shown = cell if len(cell) <= 40 else f"{cell[:40]}…"
        super().__init__(f"{shown!r}: {advice}")
        self.row = row


def numbers(cells: Sequence[str], options: ReadOptions) -> npt.NDArray[np.float64]:
    """The number in each cell, exactly as Python reads it; NaN where it is missing.

    Raises:
        CellError: A cell holds no number.
    """
    values = _at_once(cells) if options.decimal == "." and not options.na_texts else None
    if values is None:
        single = (_one(row, cell.strip(), options) for row, cell in enumerate(cells))
        values = np.fromiter(single, np.float64, len(cells))
    for row in np.flatnonzero(np.abs(values) >= EXACT).tolist():
        text = cells[row].strip()
        if _INTEGER.fullmatch(text) and int(text) != int(values[row]):
            raise CellError(row, text, INEXACT)
    for number in options.na_numbers:
        values[values == number] = np.nan
    return values


INEXACT = (
    "an integer beyond 2^53, which float64 cannot hold exactly: leave the column out with "
    "inputs=[…] or index=…, or make it smaller"
)
TRUTH = "a truth value: pass booleans=True to read true as 1 and false as 0, or leave it out"
DATE = "a date or time: make it a number first, such as days since a start, or leave it out"
COMPLEX = "a complex number: store its real and imaginary part as two columns"


def _at_once(cells: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """The fast way for what is nothing but plain numbers; None for anything else."""
    if not _PLAIN.fullmatch("\n".join(cells)):
        return None
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None


def _one(row: int, cell: str, options: ReadOptions) -> float:
    if cell.lower() in _MISSING or cell in options.na_texts:
        return np.nan
    text = cell
    if options.decimal == ",":
        if "." in cell and _NUMBER.fullmatch(cell.replace(",", "")):
            raise CellError(row, cell, "a point, although decimal=',' was given: use one of both")
        text = cell.replace(",", ".")
    if _NUMBER.fullmatch(text) or _INFINITE.fullmatch(text):
        return float(text)
    truth = _TRUTH.get(cell.lower())
    if truth is not None and options.booleans:
        return truth
    raise CellError(row, cell, _advice(cell, truth is not None, options))


def _advice(cell: str, truth: bool, options: ReadOptions) -> str:
    if truth:
        return TRUTH
    if options.decimal == "." and _COMMA.fullmatch(cell) and any(map(str.isdigit, cell)):
        return "a comma within a number: pass decimal=',', or remove separators of thousands"
    if _DATE.fullmatch(cell):
        return DATE
    if _COMPLEX.fullmatch(cell):
        return COMPLEX
    return (
        f"text: correct it, pass na_values=[{cell[:40]!r}] if it stands for a missing value, or "
        "leave the column out with inputs=[…] or index=…"
    )
