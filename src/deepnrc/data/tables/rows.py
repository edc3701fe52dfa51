"""Rows of fields of a text file, with the lines that they end in."""

import csv
from collections.abc import Iterator
from pathlib import Path

from deepnrc.data.tables.options import ReadOptions
from deepnrc.errors import DataError, FileError

__all__ = ["filled_rows"]


def filled_rows(
    path: Path,
    lines: Iterator[str],
    sep: str,
    options: ReadOptions,
    *,
    before: int = 0,
    skipped: list[int] | None = None,
) -> Iterator[tuple[int, list[str]]]:
    """Rows with the numbers of their last lines; empty lines at the end are left out.

    Args:
        path: For messages.
        lines: Of the file.
        sep: Between fields; `" "` is any number of blanks.
        options: Whether empty lines between rows are skipped.
        before: Lines of the file that were read already.
        skipped: Receives the numbers of the empty lines that were skipped.

    Raises:
        DataError: An empty line is followed by rows, and not to be skipped.
        FileError: Quotes are not closed.
    """
    empty: list[int] = []
    single = None
    for line, row in _rows(path, lines, sep, before):
        if len(row) == 0 or (len(row) == 1 and not row[0].strip()):
            empty.append(line)
            continue
        single = len(row) == 1 if single is None else single
        if empty and single:  # of a single column, an empty line is a missing value
            yield from ((earlier, [""]) for earlier in empty)
        elif empty and not options.skip_empty:
            raise DataError(
                f"{path}: line {empty[0]} is empty, and rows follow: remove it, or pass "
                "empty_lines='skip'"
            )
        elif skipped is not None:
            skipped += empty
        empty = []
        yield line, row


def _rows(
    path: Path, lines: Iterator[str], sep: str, before: int
) -> Iterator[tuple[int, list[str]]]:
    if sep == " ":
        yield from ((number, line.split()) for number, line in enumerate(lines, start=before + 1))
        return
    reader = csv.reader(lines, delimiter=sep, strict=True, skipinitialspace=sep != "\t")
    try:
        for row in reader:
            yield before + reader.line_num, row
    except csv.Error as error:
        raise FileError(
            f"{path}, line {before + reader.line_num}: {error}: quotes must stand around whole "
            "fields and be closed; correct the line, or pass the right sep=…"
        ) from error
