"""Tables in Parquet files; the index that pandas hides in them is a column like others."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepnrc.data.access.sizes import DAMAGED, check_size
from deepnrc.data.tables.cells import DATE
from deepnrc.data.tables.header import index_names
from deepnrc.data.tables.numeric import TEXT, as_numbers
from deepnrc.data.tables.options import ReadOptions
from deepnrc.data.tables.table import Rows, Table, no_such_column, twice
from deepnrc.errors import DataError, FileError
from deepnrc.support.optional import optional_import

__all__ = ["parquet_table"]


def parquet_table(path: Path, options: ReadOptions) -> Table:
    """The table of a Parquet file.

    Raises:
        ArgumentError: pyarrow is not installed.
        DataError: Two columns have one name.
        FileError: The file is damaged or of another format.
    """
    parquet = optional_import("pyarrow.parquet", purpose=f"reading {path}", extra="parquet")
    try:
        with parquet.ParquetFile(path) as file:
            names, rows = list(file.schema_arrow.names), int(file.metadata.num_rows)
            pandas = json.loads((file.schema_arrow.metadata or {}).get(b"pandas", b"{}"))
    except (OSError, ValueError, RecursionError) as error:  # pyarrow's errors are ValueErrors
        raise _damaged(path, error) from error
    twice(path, names)
    left_out = index_names(path, names, options)
    kept = tuple(name for place, name in enumerate(names) if place not in left_out)
    index = [name for name in _index(pandas) if name in kept]
    doubtful = {
        name: f"it is the index of pandas' table: pass index={name!r} to leave it out, or name it "
        "in inputs=[…]"
        for name in index
    }

    def read(wanted: Sequence[str]) -> Rows:
        for name in wanted:
            if name not in kept:
                raise no_such_column(path, name, kept)
        return _read(path, parquet, wanted, rows, options)

    return Table(path, kept, {}, doubtful, read)


def _index(pandas: Any) -> list[str]:
    """The columns that pandas took from its index, by its own note in the file."""
    noted = pandas.get("index_columns", []) if isinstance(pandas, dict) else []
    return [name for name in noted if isinstance(name, str)] if isinstance(noted, list) else []


def _read(path: Path, parquet: Any, names: Sequence[str], rows: int, options: ReadOptions) -> Rows:
    import pyarrow  # noqa: PLC0415  - optional; it is there, as its Parquet part is

    check_size(path, f"{len(names)} columns of {rows:,} rows", 8 * rows * len(names))
    if not rows:
        raise DataError(f"{path} must have rows of numbers; got none: check that it is complete")
    values = np.empty((rows, len(names)))
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(columns=list(dict.fromkeys(names)), use_pandas_metadata=False)
        for i, name in enumerate(names):
            values[:, i] = _column(path, pyarrow, name, table.column(name), options)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise _damaged(path, error) from error
    return Rows(values, lambda row: f"row {row}, counted from 0")


def _column(path: Path, pyarrow: Any, name: str, column: Any, options: ReadOptions) -> Any:
    kinds, kind = pyarrow.types, column.type
    if kinds.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if kinds.is_decimal(kind):
        column, kind = column.cast(pyarrow.float64()), pyarrow.float64()
    if kinds.is_null(kind):
        return np.full(len(column), np.nan)
    numeric = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)
    if not numeric:
        advice = DATE if kinds.is_temporal(kind) else TEXT
        raise DataError(f"{path}: '{name}' must hold real numbers; got {kind}, {advice}")
    missing = column.is_null().to_numpy()
    if missing.any():  # pyarrow would turn integers with gaps into float64 without a check
        column = column.fill_null(pyarrow.scalar(0).cast(kind))
    numbers = as_numbers(column.to_numpy(), name, path, options)
    numbers[missing] = np.nan
    return numbers


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(
        f"{path} cannot be read as Parquet ({error}): it is damaged or incomplete; {DAMAGED}"
    )
