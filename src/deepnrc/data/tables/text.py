"""Tables of text: CSV, TSV and the like, every row with as many fields as the header."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from deepnrc.data.tables.cells import EXACT, CellError, numbers
from deepnrc.data.tables.header import Header, find_header
from deepnrc.data.tables.opening import TEXT, inner_name, text_lines
from deepnrc.data.tables.options import ReadOptions
from deepnrc.data.tables.rows import filled_rows
from deepnrc.data.tables.table import Rows, Table, no_such_column
from deepnrc.errors import ArgumentError, DataError

__all__ = ["text_table"]

_CHUNK = 8192  # lines whose texts are in memory at once

Values = npt.NDArray[np.float64]
Lines = npt.NDArray[np.int64]


def text_table(path: Path, options: ReadOptions) -> Table:
    """The table of a text file; only its header and first row are read at once.

    Raises:
        ArgumentError: The separator is not known, or an option does not fit the file.
        DataError: The header is none, or names a column twice.
        FileError: The file is damaged or of another format or encoding.
    """
    sep = options.sep or TEXT[PurePosixPath(inner_name(path, options)).suffix.lower()]
    if not sep:
        raise ArgumentError(
            f"sep must be given for {path.name}, whose ending leaves it open: pass ',', ';', "
            "'tab' or 'space'"
        )
    with text_lines(path, options) as lines:
        header = find_header(path, filled_rows(path, lines, sep, options), sep, options)

    def read(names: Sequence[str]) -> Rows:
        for name in names:
            if name not in header.places:
                raise no_such_column(path, name, header.columns)
        return _Pass(path, header, tuple(names), sep, options).rows()

    return Table(path, header.columns, {}, header.doubtful, read)


@dataclass(frozen=True)
class _Pass:
    """One pass over all rows: every row is checked, the columns of these names are kept."""

    path: Path
    header: Header
    names: tuple[str, ...]
    sep: str
    options: ReadOptions

    def rows(self) -> Rows:
        skipped: list[int] = []
        with text_lines(self.path, self.options) as lines:
            parts = list(self._parts(lines, skipped))
        if not parts:
            raise DataError(
                f"{self.path} must have rows of numbers; got none below the header: check it"
            )
        lines_of = np.concatenate([where for _, where in parts])
        facts: dict[str, object] = {"empty_lines_skipped": len(skipped)} if skipped else {}
        values = np.concatenate([values for values, _ in parts])
        return Rows(values, lambda row: f"line {lines_of[row]}", facts)

    def _parts(self, lines: Iterator[str], skipped: list[int]) -> Iterator[tuple[Values, Lines]]:
        """Values and line numbers: fast while there are only plain numbers, then with care."""
        before = sum(1 for _ in islice(lines, self.header.lines))
        while block := list(islice(lines, _CHUNK)):
            values = self._plain(block)
            if values is None:
                rest = chain(block, lines)
                rows = filled_rows(
                    self.path, rest, self.sep, self.options, before=before, skipped=skipped
                )
                while chunk := list(islice(rows, _CHUNK)):
                    yield self._checked(chunk), np.array([line for line, _ in chunk])
                return
            yield values, np.arange(before + 1, before + len(block) + 1)
            before += len(block)

    def _plain(self, block: list[str]) -> Values | None:
        """Values of lines of nothing but numbers; None for any other, which `_checked` reads."""
        if self.options.decimal != "." or self.options.na_texts or self.sep == " ":
            return None
        plain = re.compile(rf"[0-9.+\-eE\r\n{re.escape(self.sep)}]*")
        if not block[0].strip() or not plain.fullmatch("".join(block)):
            return None
        try:
            values = np.loadtxt(block, delimiter=self.sep, comments=None, ndmin=2)
        except ValueError:  # such as an empty cell
            return None
        # Whether such integers are exact is found out cell by cell.
        if values.shape != (len(block), self.header.width) or (np.abs(values) >= EXACT).any():
            return None
        return values[:, [self.header.places[name] for name in self.names]]

    def _checked(self, chunk: list[tuple[int, list[str]]]) -> Values:
        """Values of rows, cell by cell where they are not all plain numbers."""
        for line, row in chunk:
            if len(row) != self.header.width:
                raise _uneven(self.path, line, row, self.header, self.sep)
        values = np.empty((len(chunk), len(self.names)))
        for i, name in enumerate(self.names):
            place = self.header.places[name]
            try:
                values[:, i] = numbers([row[place] for _, row in chunk], self.options)
            except CellError as error:
                raise DataError(
                    f"{self.path}, line {chunk[error.row][0]}: column {name!r} must hold numbers; "
                    f"got {error}"
                ) from None
        return values


def _uneven(path: Path, line: int, row: list[str], header: Header, sep: str) -> DataError:
    names = f"{header.width} columns" if header.lines else f"{header.width} names of header=…"
    said = f"{path}, line {line}: rows must have a field for each of {names}; got {len(row)}: "
    last = f"{sep if sep.isprintable() else 'separator'}"
    if not header.named_last and len(row) == header.width - 1:
        return DataError(said + f"the header ends with '{last}', which the rows do not: remove it")
    if len(row) < header.width:
        return DataError(
            said + "the line was cut off or fields are missing: complete it or copy the file again"
        )
    if not row[-1].strip():
        return DataError(
            said + f"the line ends with '{last}', which begins one more, empty field: remove it "
            "from all rows, or add one to the header and pass index=-1"
        )
    if len(row) == header.width + 1 and header.lines:
        return DataError(
            said + "the header has no name for the first or the last field: pass index=0 if the "
            "first is a row name that the header leaves out, or else add the missing name"
        )
    return DataError(
        said + f"put fields that hold '{last}' in quotes, or pass sep=… and decimal=… as the file "
        "has them"
    )
