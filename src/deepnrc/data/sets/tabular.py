"""Your own tables: CSV, Parquet, NumPy's files, safetensors and HDF5, with the targets named."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepnrc.data.source import RawData, Source
from deepnrc.data.tables.options import READING, ReadOptions, read_options
from deepnrc.data.tables.reading import Complete, complete_rows, open_table
from deepnrc.data.tables.table import Table
from deepnrc.errors import ArgumentError, DataError, DeepNRCWarning

__all__ = ["TABULAR", "read_tabular"]


def read_tabular(
    path: Path,
    *,
    targets: Sequence[str] | str = (),
    inputs: Sequence[str] | str | None = None,
    **reading: Any,
) -> RawData:
    """Inputs and targets from the named columns of a file.

    A matrix in a file of arrays counts as columns ``name[0]``, ``name[1]``, …; its name alone
    stands for all of them. Nothing is guessed: where a file can be read in two ways, it is refused
    with the option that decides.

    Args:
        path: A file that ends in .csv, .tsv, .tab or .txt (these also compressed: .csv.gz, .xz,
            .bz2, .zip), .parquet, .npz, .npy, .safetensors, .h5 or .hdf5.
        targets: Names of the target columns, at least one.
        inputs: Names of the input columns; None takes every column that is not a target.
        reading: Options of `READING`, such as ``sep=";"`` and ``missing="drop"``.

    Raises:
        ArgumentError: No targets are named, a column is both input and target, no inputs are left,
            an option is wrong, or a library is needed and not installed.
        DataError: A column is missing, has no or another's name, or holds something other than
            numbers; or a row has more or fewer fields than the header.
        FileError: The file is missing, damaged, of another format, or claims more than memory.
        NonFiniteError: A value is infinite, or missing and ``missing="drop"`` was not given.

    Warns:
        DeepNRCWarning: An input has the values of a target.
    """
    options = read_options(**reading)
    table = open_table(path, options)
    target_names = _expand(targets, table)
    if not target_names:
        raise ArgumentError(
            "targets must name at least one column; got none: pass targets=['…'] of "
            f"{', '.join(map(repr, table.columns[:20]))}"
        )
    input_names = _inputs(inputs, target_names, table)
    names = [*input_names, *target_names]
    t = len(target_names)
    rows = complete_rows(path, table.read(names), names, t, drop=options.drop_missing)
    values = torch.from_numpy(rows.values)
    if inputs is None:
        _warn_of_copies(path, rows, input_names, target_names)
    return RawData(
        inputs=values[:, :-t].clone(),
        targets=values[:, -t:].clone(),
        input_names=tuple(input_names),
        target_names=tuple(target_names),
        provenance={
            "data": "tabular",
            "made_from": f"the file {path.name}, {_count(rows)}",
            **_facts(options, rows),
        },
    )


def _inputs(
    inputs: Sequence[str] | str | None, target_names: Sequence[str], table: Table
) -> list[str]:
    if inputs is None:
        for name, why in table.doubtful.items():
            if name not in target_names:
                raise DataError(f"{table.path}: column '{name}' would become an input, but {why}")
        names = [column for column in table.columns if column not in target_names]
    else:
        names = _expand(inputs, table)
    both = [name for name in names if name in target_names]
    again = sorted({name for name in (*names,) if names.count(name) > 1})
    if both or not names:
        got = f"'{both[0]}', which is one" if both else "none"
        raise ArgumentError(f"inputs must be columns that are not targets; got {got}")
    if again or len(set(target_names)) < len(target_names):
        raise ArgumentError(
            f"inputs and targets must name each column once; got {again or list(target_names)}"
        )
    return names


def _expand(names: Sequence[str] | str, table: Table) -> list[str]:
    wanted = [names] if isinstance(names, str) else names
    return [column for name in wanted for column in table.groups.get(name, [name])]


def _count(rows: Complete) -> str:
    n = len(rows.values)
    return f"{n} rows" if n == rows.of else f"{n} of {rows.of} rows, the others incomplete"


def _facts(options: ReadOptions, rows: Complete) -> dict[str, object]:
    """How the table was read, only what was chosen or left out."""
    facts: dict[str, object] = {"reading": options.given} if options.given else {}
    return facts | rows.facts


def _warn_of_copies(
    path: Path, rows: Complete, input_names: Sequence[str], target_names: Sequence[str]
) -> None:
    values, d = rows.values, len(input_names)
    for j, target in enumerate(target_names, start=d):
        same = np.flatnonzero((values[:, :d] == values[:, j : j + 1]).all(axis=0))
        if len(same) and np.ptp(values[:, j]) > 0:
            warnings.warn(
                f"{path}: input '{input_names[same[0]]}' equals target '{target}' in every row: "
                "name the inputs with inputs=[…] if it is a copy",
                DeepNRCWarning,
                stacklevel=4,
            )


TABULAR = Source(
    name="tabular",
    summary="Your own table, with the target columns named",
    origin="a CSV, Parquet, NumPy, safetensors or HDF5 file of yours",
    licence="yours",
    read_real=read_tabular,
    options={
        "targets": "names of the target columns",
        "inputs": "names of the input columns; by default every column that is not a target",
        **READING,
    },
)
