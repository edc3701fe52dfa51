"""Episodes in JAT's Parquet files, as the Hugging Face Hub has them: one row per episode.

The columns are those of ``jat-project/jat-dataset``: ``continuous_observations`` and
``continuous_actions``, lists with one list of numbers per step.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.data.access.sizes import DAMAGED
from deepnrc.data.sets.imitation.episodes import Episode
from deepnrc.errors import DataError, DeepNRCError, FileError
from deepnrc.support.optional import optional_import

__all__ = ["JAT_SUFFIX", "jat_episodes"]

JAT_SUFFIX = ".parquet"
OBSERVATIONS, ACTIONS = "continuous_observations", "continuous_actions"
_ADVICE = "pass episodes in the format of jat-project/jat-dataset"


def jat_episodes(path: Path) -> Iterator[Episode]:
    """The episodes of one Parquet file, in stored order.

    Yields:
        Episodes with the shapes that the file has.

    Raises:
        ArgumentError: pyarrow is not installed.
        FileError: The file is missing or damaged.
        DataError: A column is missing, or the steps of an episode differ in width.
    """
    parquet = optional_import("pyarrow.parquet", purpose=f"reading {path}", extra="parquet")
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for column in (OBSERVATIONS, ACTIONS):
                if column not in names:
                    raise DataError(
                        f"{path.name} must have a column '{column}'; got "
                        f"{', '.join(names) or 'none'}: {_ADVICE}"
                    )
            number = 0
            for batch in file.iter_batches(batch_size=16, columns=[OBSERVATIONS, ACTIONS]):
                for row in zip(batch.column(OBSERVATIONS), batch.column(ACTIONS), strict=True):
                    place = f"{path.name}, row {number}"
                    observations, actions = (
                        _steps(cell, f"{column} of {place}")
                        for cell, column in zip(row, (OBSERVATIONS, ACTIONS), strict=True)
                    )
                    yield Episode(place, observations, actions)
                    number += 1
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        if isinstance(error, DeepNRCError):
            raise
        raise FileError(
            f"{path} cannot be read as Parquet ({error}): it is damaged; {DAMAGED}"
        ) from error


def _steps(cell: Any, name: str) -> npt.NDArray[Any]:
    """A list of steps, each a list of numbers, as a matrix."""
    steps = cell.values
    if steps is None or len(steps) == 0:
        return np.empty((0, 0))
    if not hasattr(steps, "value_lengths"):
        raise DataError(f"{name} must hold one list per step; got {steps.type}: {_ADVICE}")
    widths = steps.value_lengths().to_numpy(zero_copy_only=False)
    if len(np.unique(widths)) != 1 or not widths[0] > 0:
        raise DataError(f"{name} must have steps of one width; got several: {_ADVICE}")
    values: npt.NDArray[Any] = steps.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(steps), -1)
