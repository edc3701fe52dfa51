"""Episodes in HDF5 files: Minari's (one group per episode) and D4RL's (flat).

Minari: groups ``episode_0`` … with ``observations`` (one row more than ``actions``), ``actions``,
``terminations``, ``truncations``. D4RL: ``observations`` and ``actions`` with as many rows,
``terminals`` and ``timeouts`` true where an episode ends.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.data.access.hdf5 import check_dataset, hdf5_errors, open_hdf5
from deepnrc.data.sets.imitation.episodes import Episode
from deepnrc.errors import DataError

__all__ = ["hdf5_episodes"]


def hdf5_episodes(path: Path) -> Iterator[Episode]:
    """The episodes of a Minari or D4RL file, in the order of their numbers.

    Yields:
        Episodes with the shapes that the file has; only what ends an episode is checked here.

    Raises:
        ArgumentError: h5py is not installed.
        FileError: The file is missing or damaged.
        DataError: The file is of another format, or lengths do not match.
    """
    with hdf5_errors(path), closing(open_hdf5(path, extra="imitation")) as file:
        names = [name for name in file if re.fullmatch(r"episode_\d+", str(name))]
        if names:
            # By number: in the file's own order episode_10 comes before episode_2.
            for name in sorted(names, key=lambda name: int(name.removeprefix("episode_"))):
                yield _minari_episode(file[name], f"{path.name}, {name}")
        else:
            yield from _d4rl_episodes(file, path.name)


def _minari_episode(group: Any, place: str) -> Episode:
    observations = _dataset(group, "observations", place)
    actions = _dataset(group, "actions", place)
    for name in ("terminations", "truncations"):
        if name in group:
            _check_length(name, _dataset(group, name, place), actions, place)
    return Episode(place, observations, actions)


def _d4rl_episodes(file: Any, place: str) -> Iterator[Episode]:
    observations = _dataset(file, "observations", place)
    actions = _dataset(file, "actions", place)
    _check_length("observations", observations, actions, place)
    over = np.zeros(len(actions), dtype=bool)
    for name in ("terminals", "timeouts"):
        if name in file:
            ends = _dataset(file, name, place)
            _check_length(name, ends, actions, place)
            over |= ends.astype(bool).reshape(-1)
    # Steps after the last end are an unfinished episode; they are pairs all the same.
    starts = [0, *(np.flatnonzero(over) + 1).tolist()]
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(actions)], strict=True)):
        if stop > start:
            label = f"{place}, episode {number} (from row {start})"
            yield Episode(label, observations[start:stop], actions[start:stop])


def _check_length(
    name: str, values: npt.NDArray[Any], actions: npt.NDArray[Any], place: str
) -> None:
    if len(values) != len(actions):
        raise DataError(
            f"{place} must have as many {name} as actions; got {len(values)} and {len(actions)}: "
            "the file is damaged or of another format"
        )


def _dataset(group: Any, name: str, place: str) -> npt.NDArray[Any]:
    """A dataset of a group, read whole."""
    if name not in group:
        there = ", ".join(sorted(map(str, group))) or "nothing"
        raise DataError(
            f"{place} must have a dataset '{name}'; got {there}: pass a file in the format of "
            "Minari or D4RL"
        )
    if not hasattr(group[name], "dtype"):
        raise DataError(
            f"{place}: '{name}' must be one dataset; got a group of "
            f"{', '.join(sorted(map(str, group[name])))}: pass a file whose observations are one "
            "array"
        )
    check_dataset(Path(group.file.filename), group[name].name[1:], group[name])
    values: npt.NDArray[Any] = group[name][()]
    return values
