"""The header of a text table: the names of its columns, each given once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deepnrc.data.tables.options import ReadOptions
from deepnrc.data.tables.table import no_such_column, twice
from deepnrc.errors import ArgumentError, DataError

__all__ = ["Header", "find_header", "index_names", "unnamed"]

_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
_FRACTION = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+")


@dataclass(frozen=True)
class Header:
    """Names and places of the columns.

    Attributes:
        columns: Names without those of columns to be left out.
        places: Of each of them in a row, from 0.
        width: Fields of every row.
        named_last: Whether the last column has a name.
        lines: Of the file down to the end of the header; 0 if it has none.
        doubtful: Columns that must not become inputs unless they are named, and why.
    """

    columns: tuple[str, ...]
    places: Mapping[str, int]
    width: int
    lines: int
    named_last: bool
    doubtful: Mapping[str, str]


def find_header(
    path: Path, rows: Iterator[tuple[int, list[str]]], sep: str, options: ReadOptions
) -> Header:
    """The header of a file from its first two rows.

    Raises:
        ArgumentError: ``index`` names a column that is not there.
        DataError: There is no header, or it names a column twice.
    """
    end, first = next(rows, (0, []))
    names = list(options.header) or [name.strip() for name in first]
    if not first:
        raise DataError(f"{path} must have a header and rows; got only empty lines: check it")
    if not options.header:
        _check_names(path, names, sep)
        _, second = next(rows, (0, []))
        # As R writes it: the header has no name for the column of row names.
        if len(second) == len(names) + 1 and 0 in options.index and second[-1].strip():
            names = ["", *names]
    twice(path, names)
    left_out = index_names(path, names, options)
    kept = [(place, name) for place, name in enumerate(names) if place not in left_out]
    return Header(
        columns=tuple(name for _, name in kept if name),
        places={name: place for place, name in kept if name},
        width=len(names),
        lines=0 if options.header else end,
        named_last=bool(names[-1]),
        doubtful={
            name or f"(column {place + 1})": why
            for place, name in kept
            if (why := unnamed(name, place, len(names)))
        },
    )


def index_names(path: Path, names: list[str], options: ReadOptions) -> set[int]:
    """The places of the columns that ``index`` leaves out.

    Raises:
        ArgumentError: There is no such column.
    """
    places = set()
    for wanted in options.index:
        if isinstance(wanted, str):
            if wanted.strip() not in names:
                raise no_such_column(path, wanted, names)
            places.add(names.index(wanted.strip()))
        elif -len(names) <= wanted < len(names):
            places.add(wanted % len(names))
        else:
            raise ArgumentError(
                f"index must be a column of {path.name}, from 0 to {len(names) - 1}; got {wanted}: "
                "pass another number or a name"
            )
    return places


def unnamed(name: str, place: int, width: int) -> str:
    """Why a column of this name may be an index and no input; empty where it is not."""
    number = place - width if place == width - 1 and place else place
    if not name:
        ends = ", as where lines end with a separator" if number == -1 else ""
        return f"it has no name{ends}: pass index={number} to leave it out, or give it one"
    if re.fullmatch(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__", name):
        return (
            f"pandas gives this name to an index: pass index={name!r} to leave it out, or name it "
            "in inputs=[…]"
        )
    return ""


def _check_names(path: Path, names: list[str], sep: str) -> None:
    """Refuse a first line that is a row of numbers, or that another separator splits."""
    numeric = [name for name in names if name and _NUMBER.fullmatch(name)]
    if numeric and (
        len(numeric) == sum(map(bool, names)) or any(map(_FRACTION.fullmatch, numeric))
    ):
        raise DataError(
            f"{path}: the first line must name the columns; got the number {numeric[0]!r}: pass "
            "header=['…', …] with a name for each column, or add such a line"
        )
    if len(names) == 1:
        other = next((mark for mark in (";", "\t", "|", ",") if mark in names[0]), "")
        if other and other != sep:
            decimal = ", with decimal=',' for numbers like 1,5" if other == ";" else ""
            raise DataError(
                f"{path}: the first line must name the columns; got one name, {names[0][:60]!r}: "
                f"pass sep={other!r}{decimal}"
            )
