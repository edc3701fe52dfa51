"""Any table by its file's ending, and its missing values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from deepnrc.data.tables.arrays import ARRAYS, array_table
from deepnrc.data.tables.opening import COMPRESSED, TEXT, inner_name
from deepnrc.data.tables.options import ReadOptions
from deepnrc.data.tables.parquet import parquet_table
from deepnrc.data.tables.table import Rows, Table
from deepnrc.data.tables.text import text_table
from deepnrc.errors import ArgumentError, FileError, NonFiniteError

__all__ = ["ENDINGS", "Complete", "complete_rows", "open_table"]

ENDINGS = (*TEXT, ".parquet", *ARRAYS)
"""Of tables; those of text may be followed by .gz, .xz, .bz2 or .zip."""

_OF_TEXT = ("sep", "encoding", "header", "decimal", "empty_lines")


def open_table(path: Path, options: ReadOptions) -> Table:
    """The columns of the table in a file.

    Raises:
        ArgumentError: An option does not go with this kind of file, or a library is missing.
        DataError: Columns have no or the same names, or differ in their number of rows.
        FileError: The file is missing, damaged, of another format, or claims more than memory.
    """
    if not path.is_file():
        raise FileError(
            f"{path} is not a file: check the path"
            + (", or pass one of the files in this folder" if path.is_dir() else "")
        )
    packed = path.suffix.lower() in COMPRESSED
    suffix = PurePosixPath(inner_name(path, options)).suffix.lower()
    if (packed and suffix not in TEXT) or suffix not in ENDINGS:
        raise FileError(
            f"path must end in one of {', '.join(ENDINGS)}, text also in .csv.gz and the like "
            f"({', '.join(COMPRESSED)}); got {path}: rename or convert it"
        )
    if suffix in TEXT:
        return text_table(path, options)
    unfit = [name for name in _OF_TEXT if name in options.given]
    if unfit:
        raise ArgumentError(f"{unfit[0]} must be left out for {path.name}, which is no text file")
    return (parquet_table if suffix == ".parquet" else array_table)(path, options)


@dataclass(frozen=True, eq=False)
class Complete:
    """Rows without missing values.

    Attributes:
        values: (n, columns).
        of: Rows before some were left out.
        facts: What was left out, for the provenance.
    """

    values: npt.NDArray[np.float64]
    of: int
    facts: dict[str, object]


def complete_rows(
    path: Path, rows: Rows, names: Sequence[str], targets: int, *, drop: bool
) -> Complete:
    """The rows, of which those with missing values are left out if `drop` says so.

    Args:
        path: For messages.
        rows: As a table was read.
        names: Of its columns; the last `targets` of them are targets.
        targets: t.
        drop: Whether to leave rows out; otherwise a missing value is an error.

    Raises:
        NonFiniteError: A value is infinite; or one is missing, and rows are not to be left out; or
            no row would be left.
    """
    infinite = np.argwhere(np.isinf(rows.values))
    if len(infinite):
        row, column = infinite[0].tolist()
        raise NonFiniteError(
            f"{path}: column '{names[column]}' must be finite; got {rows.values[row, column]} in "
            f"{rows.place(row)} ({len(infinite)} such values): correct them, or pass "
            "na_values=['inf', '-inf'] and missing='drop'",
            row=row,
        )
    absent = np.isnan(rows.values)
    incomplete = absent.any(axis=1)
    n, lost = len(absent), int(incomplete.sum())
    if not lost:
        return Complete(rows.values, n, dict(rows.facts))
    counts = dict(zip(names, absent.sum(axis=0).tolist(), strict=True))
    told = ", ".join(
        f"{count} in {kind} '{name}'"
        for kind, part in (("target", names[-targets:]), ("input", names[:-targets]))
        for name in part[:20]
        if (count := counts[name])
    )
    first = int(np.flatnonzero(incomplete)[0])
    if not drop or lost == n:
        advice = "pass missing='drop' to leave these rows out, or fill them"
        if lost == n:
            advice = "every row has one: leave the emptiest columns out with inputs=[…]"
        raise NonFiniteError(
            f"{path} must have no missing values; got {told}, in {lost} of {n} rows, the first in "
            f"{rows.place(first)}: {advice}",
            row=first,
        )
    facts: dict[str, object] = {
        "rows_dropped": f"{lost} of {n}, with missing values: {told}",
        **rows.facts,
    }
    return Complete(rows.values[~incomplete], n, facts)
