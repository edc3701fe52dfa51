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

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SOURCES", "read_table", "read_tabular"]

_KINDS = (".csv", ".parquet", ".npz", ".safetensors")


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
        ArgumentError: if no targets are named, a column is both, or no inputs are left.
        DataError: if a column is missing or holds something else than numbers.
        FileError: if the file is missing, damaged or of another kind.
        NonFiniteError: if a column holds NaN or infinity.
    """
    frame, groups = read_table(path)
    target_names = _expand(targets, groups)
    if not target_names:
        raise ArgumentError(
            "targets: expected the names of the target columns, got none; pass targets=['…'] of "
            f"{', '.join(repr(str(column)) for column in frame.columns[:20])}"
        )
    rest = [str(column) for column in frame.columns if str(column) not in target_names]
    input_names = rest if inputs is None else _expand(inputs, groups)
    both = [name for name in input_names if name in target_names]
    if both or not input_names:
        raise ArgumentError(
            f"inputs: expected columns that are no targets, got {both[0]!r} in both"
            if both
            else "inputs: expected at least one column that is no target, got none"
        )
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
    """A table from a file, and which columns each array with several of them became.

    Raises:
        DataError: if arrays differ in their number of rows or have more than two axes.
        DeepNRCError: if Parquet is asked for and pyarrow is not installed.
        FileError: if the file is missing, damaged or of another kind.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise FileError(f"{path}: expected a file that ends in one of {', '.join(_KINDS)}")
    if not path.is_file():
        raise FileError(f"{path} is not a file; check the path")
    try:
        if kind == ".csv":
            return pd.read_csv(path), {}
        if kind == ".parquet":
            return pd.read_parquet(path, engine="pyarrow"), {}
        return _frame(_npz(path) if kind == ".npz" else _safetensors(path), path)
    except DeepNRCError:
        raise
    except ImportError as error:
        raise DeepNRCError(
            f"{path}: reading Parquet needs pyarrow, which cannot be imported ({error}); run "
            "`pip install pyarrow` or save the table as CSV"
        ) from error
    # What parsers raise for a damaged file: pandas' and pyarrow's errors are ValueErrors.
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path} cannot be read as {kind} ({error}); it may be damaged or cut short"
        ) from error


def _npz(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    # Opened here, as np.load leaves the file open where it finds it damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _safetensors(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise FileError(
            f"{path} cannot be read as .safetensors ({error}); it may be damaged or cut short"
        ) from error
    return {name: tensors[name].double().numpy() for name in sorted(tensors)}


def _frame(
    arrays: dict[str, npt.NDArray[np.generic]], path: Path
) -> tuple["pd.DataFrame", dict[str, list[str]]]:
    import pandas as pd  # noqa: PLC0415  - slow to import

    columns: dict[str, npt.NDArray[np.generic]] = {}
    groups: dict[str, list[str]] = {}
    rows = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.ndim not in (1, 2):
            raise DataError(
                f"{path}: expected arrays of one or two axes (rows, columns), got shape "
                f"{array.shape} for '{name}'; save it flattened"
            )
        if array.ndim == 1:
            columns[name] = array
        else:
            groups[name] = [f"{name}[{i}]" for i in range(array.shape[1])]
            columns |= dict(zip(groups[name], array.T, strict=True))
    if len(set(rows.values())) > 1:
        raise DataError(
            f"{path}: expected as many rows in each array, got "
            f"{', '.join(f'{n} in {name!r}' for name, n in rows.items())}"
        )
    return pd.DataFrame(columns), groups


def _expand(names: Sequence[str] | str, groups: dict[str, list[str]]) -> list[str]:
    wanted = [names] if isinstance(names, str) else names
    return [column for name in wanted for column in groups.get(name, [name])]


SOURCES = (
    Source(
        name="tabular",
        summary="Your own table, with the target columns named",
        origin="a CSV, Parquet, NPZ or safetensors file of yours",
        licence="yours",
        targets=(),
        read_real=read_tabular,
        options={
            "targets": "names of the target columns",
            "inputs": "names of the input columns; every column that is no target",
        },
    ),
)
