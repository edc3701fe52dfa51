"""Episodes in JAT's format: a row an episode, with its observations and actions as lists.

The columns are those of ``jat-project/jat-dataset``: ``continuous_observations`` and
``continuous_actions``, with as many steps. Rows come as Parquet (as the Hub has them), Arrow (as
the ``datasets`` library stores them), JSON or JSON Lines, or as plain arrays in NPZ.
"""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.data.sets.imitation.episodes import Episode
from deepnrc.errors import DataError, DeepNRCError, FileError

__all__ = ["JAT_SUFFIXES", "jat_episodes"]

OBSERVATIONS, ACTIONS = "continuous_observations", "continuous_actions"


def jat_episodes(path: Path) -> Iterator[Episode]:
    """The episodes of one file, in stored order.

    Args:
        path: A file with one of the suffixes `JAT_SUFFIXES`.

    Yields:
        Episodes with the shapes that the file has.

    Raises:
        DeepNRCError: if pyarrow is needed and not installed.
        FileError: if the file is missing or damaged.
        DataError: if a column is missing, or the rows of an episode have not the same width.
    """
    try:
        yield from _READERS[path.suffix](path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:  # pyarrow's errors are ValueErrors
        if isinstance(error, DeepNRCError):
            raise
        raise FileError(
            f"{path} cannot be read as {path.suffix.removeprefix('.')} ({error}); is it whole? "
            "Fetch or copy it again"
        ) from error


def _parquet(path: Path) -> Iterator[Episode]:
    _need_pyarrow(path)
    from pyarrow import parquet  # noqa: PLC0415

    with parquet.ParquetFile(path) as file:
        _need_columns(file.schema_arrow.names, path.name)
        batches = file.iter_batches(batch_size=16, columns=[OBSERVATIONS, ACTIONS])
        yield from _rows(batches, path.name)


def _arrow(path: Path) -> Iterator[Episode]:
    _need_pyarrow(path)
    import pyarrow  # noqa: PLC0415

    with pyarrow.memory_map(str(path)) as source:
        try:
            reader = pyarrow.ipc.open_stream(source)  # as the datasets library writes it
        except pyarrow.ArrowInvalid:
            source.seek(0)
            reader = pyarrow.ipc.open_file(source)
        with reader:
            _need_columns(reader.schema.names, path.name)
            yield from _rows(iter(reader.read_all().to_batches()), path.name)


def _rows(batches: Iterator[Any], name: str) -> Iterator[Episode]:
    """Episodes of Arrow batches: both columns are lists of lists of numbers."""
    number = 0
    for batch in batches:
        pairs = zip(batch.column(OBSERVATIONS), batch.column(ACTIONS), strict=True)
        for observations, actions in pairs:
            place = f"{name}, row {number}"
            yield Episode(
                place,
                _nested(observations, f"{OBSERVATIONS} of {place}"),
                _nested(actions, f"{ACTIONS} of {place}"),
            )
            number += 1


def _nested(cell: Any, name: str) -> npt.NDArray[Any]:
    steps = cell.values
    if steps is None or len(steps) == 0:
        return np.empty((0, 0))
    if not hasattr(steps, "value_lengths"):
        raise DataError(f"{name}: expected a list for each step, got {steps.type}; {_ADVICE}")
    widths = steps.value_lengths().to_numpy(zero_copy_only=False)
    if len(np.unique(widths)) != 1 or not widths[0] > 0:
        raise DataError(f"{name}: expected steps of one width, got several; {_ADVICE}")
    values: npt.NDArray[Any] = steps.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(steps), -1)


def _json(path: Path) -> Iterator[Episode]:
    with path.open(encoding="utf-8") as file:
        rows: Any = json.load(file) if path.suffix == ".json" else (json.loads(li) for li in file)
        if isinstance(rows, dict) or not hasattr(rows, "__iter__"):
            raise DataError(f"{path.name}: expected a list of episodes; {_ADVICE}")
        for number, row in enumerate(rows):
            place = f"{path.name}, row {number}"
            _need_columns(list(row) if isinstance(row, dict) else [], place)
            yield Episode(
                place,
                _array(row[OBSERVATIONS], f"{OBSERVATIONS} of {place}"),
                _array(row[ACTIONS], f"{ACTIONS} of {place}"),
            )


def _array(steps: Any, name: str) -> npt.NDArray[Any]:
    try:
        # JSON has no NaN; None is what some writers put for it.
        return np.array(steps, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}: expected steps of one width, all numbers ({error}); {_ADVICE}"
        ) from error


def _npz(path: Path) -> Iterator[Episode]:
    # Opened here, because NumPy leaves the file open where it is damaged.
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        _need_columns(list(file), path.name)
        try:
            observations, actions = file[OBSERVATIONS], file[ACTIONS]
        except ValueError as error:
            raise DataError(
                f"{path.name}: expected plain arrays, got pickled objects, which could run code "
                f"and are not read ({error}); write the episodes as Parquet or JSON Lines, or "
                "joined to one array of (steps, columns)"
            ) from error
        if observations.ndim == 2:
            observations, actions = observations[None], actions[None]
        if len(observations) != len(actions):
            raise DataError(
                f"{path.name}: expected as many episodes of observations as of actions, got "
                f"{len(observations)} and {len(actions)}; {_ADVICE}"
            )
        for number, (seen, done) in enumerate(zip(observations, actions, strict=True)):
            yield Episode(f"{path.name}, episode {number}", seen, done)


def _need_columns(there: list[str], place: str) -> None:
    for column in (OBSERVATIONS, ACTIONS):
        if column not in there:
            raise DataError(
                f"{place}: expected a column '{column}', got {', '.join(there) or 'nothing'}; "
                f"{_ADVICE}"
            )


def _need_pyarrow(path: Path) -> None:
    try:
        import pyarrow  # noqa: F401, PLC0415  # optional
    except ImportError as error:
        raise DeepNRCError(
            f"reading {path} needs pyarrow, which cannot be imported ({error}); run "
            "`pip install pyarrow`, or write the episodes as JSON Lines"
        ) from error


_ADVICE = "pass episodes as jat-project/jat-dataset has them"
_READERS: dict[str, Callable[[Path], Iterator[Episode]]] = {
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".jsonl": _json,
    ".json": _json,
    ".npz": _npz,
}
JAT_SUFFIXES = tuple(_READERS)
