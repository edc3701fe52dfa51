"""Episodes in HDF5 files: Minari's (one group an episode) and D4RL's (flat). h5py only here.

Minari: groups ``episode_0`` … with ``observations`` (one row more than ``actions``), ``actions``,
``terminations``, ``truncations``. D4RL: ``observations`` and ``actions`` with as many rows,
``terminals`` and ``timeouts`` true where an episode ends.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.data.sets.imitation.episodes import Episode
from deepnrc.errors import DataError, DeepNRCError, FileError

__all__ = ["hdf5_episodes"]


def hdf5_episodes(path: Path) -> Iterator[Episode]:
    """The episodes of a Minari or D4RL file, in the order of their numbers.

    Args:
        path: The file.

    Yields:
        Episodes with the shapes that the file has; only what ends an episode is checked here.

    Raises:
        DeepNRCError: if h5py is not installed.
        FileError: if the file is missing or damaged.
        DataError: if it is no such file, or lengths do not match.
    """
    try:
        import h5py  # noqa: PLC0415  # optional
    except ImportError as error:
        raise DeepNRCError(
            f"reading {path} needs h5py, which cannot be imported ({error}); run "
            "`pip install 'deepnrc[imitation]'`"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            names = [name for name in file if re.fullmatch(r"episode_\d+", name)]
            if names:
                # By number: in the file's own order episode_10 comes before episode_2.
                for name in sorted(names, key=lambda name: int(name.removeprefix("episode_"))):
                    yield _minari_episode(file[name], f"{path.name}, {name}")
            else:
                yield from _d4rl_episodes(file, path.name)
    except (OSError, RuntimeError) as error:  # h5py's errors for damaged files
        raise FileError(
            f"{path} cannot be read as HDF5 ({error}); is it whole? Fetch or copy it again"
        ) from error


def _minari_episode(group: Any, place: str) -> Episode:
    episode = Episode(
        place, _dataset(group, "observations", place), _dataset(group, "actions", place)
    )
    for name in ("terminations", "truncations"):
        if name in group and len(_dataset(group, name, place)) != len(episode.actions):
            raise DataError(
                f"{place}: expected as many {name} as actions, got {len(group[name])} and "
                f"{len(episode.actions)}; the file is damaged"
            )
    return episode


def _d4rl_episodes(file: Any, place: str) -> Iterator[Episode]:
    observations = _dataset(file, "observations", place)
    actions = _dataset(file, "actions", place)
    over = np.zeros(len(actions), dtype=bool)
    ends = [name for name in ("terminals", "timeouts") if name in file]
    lengths = {name: len(_dataset(file, name, place)) for name in ends}
    for name, length in {"observations": len(observations), **lengths}.items():
        if length != len(actions):
            raise DataError(
                f"{place}: expected as many {name} as actions, got {length} and {len(actions)}; "
                "the file is damaged or not of D4RL's format"
            )
    for name in ends:
        over |= _dataset(file, name, place).astype(bool).reshape(-1)
    # Steps after the last end are an episode that was not finished; they are pairs all the same.
    starts = [0, *(np.flatnonzero(over) + 1).tolist()]
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(actions)], strict=True)):
        if stop > start:
            rows = slice(start, stop)
            label = f"{place}, episode {number} (from row {start})"
            yield Episode(label, observations[rows], actions[rows])


def _dataset(group: Any, name: str, place: str) -> npt.NDArray[Any]:
    """A dataset of a group, read whole."""
    if name not in group:
        there = ", ".join(sorted(group)) or "nothing"
        raise DataError(
            f"{place}: expected a dataset '{name}' as Minari and D4RL have it, got {there}; pass "
            "a file of one of these formats"
        )
    if not hasattr(group[name], "dtype"):
        raise DataError(
            f"{place}: expected '{name}' to be one dataset, got a group of "
            f"{', '.join(sorted(group[name]))}; sets with observations of several parts are not "
            "of these tasks"
        )
    values: npt.NDArray[Any] = group[name][()]
    return values
