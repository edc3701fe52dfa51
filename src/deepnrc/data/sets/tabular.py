"""Your own tables: CSV, Parquet, NPZ and safetensors, with the target columns named."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from deepnrc.data.columns import column_matrix
from deepnrc.data.source import RawData, Source
from deepnrc.errors import ArgumentError, DataError, DeepNRCError, FileError
from deepnrc.support.optional import optional_import

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABULAR", "read_table", "read_tabular"]

_SUFFIXES = (".csv", ".parquet", ".npz", ".safetensors")


def read_tabular(
    path: Path, *, targets: Sequence[str] | str = (), inputs: Sequence[str] | str | None = None
) -> RawData:
    """Inputs and targets from the named columns of a file.

    An array with several columns in an NPZ or safetensors file counts as columns ``name[0]``,
    ``name[1]``, …; its name alone stands for all of them.

    Args:
        path: A .csv, .parquet, .npz or .safetensors file.
        targets: Names of the target columns, at least one.
        inputs: Names of the input columns; None takes every column that is not a target.

    Raises:
        ArgumentError: No targets are named, a column is both input and target, no inputs are left,
            or pyarrow is needed and not installed.
        DataError: A column is missing or holds something other than numbers.
        FileError: The file is missing, damaged or of another format.
        NonFiniteError: A column holds NaN or infinity.
    """
    frame, groups = read_table(path)
    target_names = _expand(targets, groups)
    if not target_names:
        raise ArgumentError(
            "targets must name at least one column; got none: pass targets=['…'] of "
            f"{', '.join(repr(str(column)) for column in frame.columns[:20])}"
        )
    rest = [str(column) for column in frame.columns if str(column) not in target_names]
    input_names = rest if inputs is None else _expand(inputs, groups)
    both = [name for name in input_names if name in target_names]
    if both or not input_names:
        got = f"'{both[0]}', which is one" if both else "none"
        raise ArgumentError(f"inputs must be columns that are not targets; got {got}")
    return RawData(
        inputs=column_matrix(frame, input_names, path=path),
        targets=column_matrix(frame, target_names, path=path),
        input_names=tuple(input_names),
        target_names=tuple(target_names),
        provenance={
            "data": "tabular",
            "made_from": f"the file {path.name}, {len(frame)} rows",
        },
    )


def read_table(path: Path) -> tuple["pd.DataFrame", dict[str, list[str]]]:
    """A table from a file, and the columns that each array with several of them became.

    Raises:
        ArgumentError: The file is Parquet and pyarrow is not installed.
        DataError: Arrays differ in their number of rows or have more than two axes.
        FileError: The file is missing, damaged or of another format.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise FileError(f"path must end in one of {', '.join(_SUFFIXES)}; got {path}")
    if not path.is_file():
        raise FileError(f"{path} is not a file: check the path")
    try:
        if suffix == ".csv":
            return pd.read_csv(path), {}
        if suffix == ".parquet":
            optional_import("pyarrow", purpose=f"reading {path}", extra="parquet")
            return pd.read_parquet(path, engine="pyarrow"), {}
        return _frame(_npz(path) if suffix == ".npz" else _safetensors(path), path)
    except DeepNRCError:
        raise
    # What parsers raise for a damaged file: pandas' and pyarrow's errors are ValueErrors.
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FileError:
    kind = path.suffix.lower()
    return FileError(f"{path} cannot be read as {kind} ({error}): it may be damaged or truncated")


def _npz(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    # Opened here, because np.load leaves a damaged file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _safetensors(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    return {name: tensors[name].double().numpy() for name in sorted(tensors)}


def _frame(
    arrays: dict[str, npt.NDArray[np.generic]], path: Path
) -> tuple["pd.DataFrame", dict[str, list[str]]]:
    import pandas as pd  # noqa: PLC0415  - slow to import

    columns: dict[str, npt.NDArray[np.generic]] = {}
    groups: dict[str, list[str]] = {}
    for name, array in arrays.items():
        if array.ndim not in (1, 2):
            raise DataError(
                f"{path}: arrays must have one or two axes (rows, columns); got shape "
                f"{array.shape} for '{name}': save it flattened"
            )
        if array.ndim == 1:
            columns[name] = array
        else:
            groups[name] = [f"{name}[{i}]" for i in range(array.shape[1])]
            columns |= dict(zip(groups[name], array.T, strict=True))
    if len({len(array) for array in arrays.values()}) > 1:
        raise DataError(
            f"{path}: arrays must have the same number of rows; got "
            f"{', '.join(f'{len(array)} in {name!r}' for name, array in arrays.items())}"
        )
    return pd.DataFrame(columns), groups


def _expand(names: Sequence[str] | str, groups: dict[str, list[str]]) -> list[str]:
    wanted = [names] if isinstance(names, str) else names
    return [column for name in wanted for column in groups.get(name, [name])]


TABULAR = Source(
    name="tabular",
    summary="Your own table, with the target columns named",
    origin="a CSV, Parquet, NPZ or safetensors file of yours",
    licence="yours",
    read_real=read_tabular,
    options={
        "targets": "names of the target columns",
        "inputs": "names of the input columns; by default every column that is not a target",
    },
)
