"""Episodes as published files hold them, checked and joined to rows of states and actions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from deepnrc.data.sets.imitation.tasks import Task
from deepnrc.data.source import RawData
from deepnrc.errors import DataError, NonFiniteError

__all__ = ["Episode", "join_episodes"]


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode of a file.

    Attributes:
        place: File and name or number of the episode, for messages.
        observations: (steps, d), or (steps + 1, d) with the observation after the last action.
        actions: (steps, t).
    """

    place: str
    observations: npt.NDArray[Any]
    actions: npt.NDArray[Any]


def join_episodes(
    task: Task, episodes: Iterable[Episode], provenance: dict[str, object]
) -> RawData:
    """All (state, action) pairs, episode after episode, as float32.

    An observation after the last action is left out. Nothing else is left out, sorted or clipped:
    invalid rows are refused.

    Args:
        task: Defines the columns.
        episodes: At least one pair in total.
        provenance: With ``"made_from"``; the numbers of pairs and episodes are added.

    Raises:
        DataError: Shapes do not fit the task or each other, or there are no pairs.
        NonFiniteError: A number is NaN, infinite or beyond float32.
    """
    states: list[npt.NDArray[np.float32]] = []
    actions: list[npt.NDArray[np.float32]] = []
    widths = {len(task.observation_names)}
    if task.older_observation_names:
        widths.add(len(task.observation_names) + len(task.older_observation_names))
    for episode in episodes:
        observed = _matrix(episode.observations, f"observations of {episode.place}", widths)
        acted = _matrix(episode.actions, f"actions of {episode.place}", {len(task.action_names)})
        if len(observed) - len(acted) not in (0, 1):
            raise DataError(
                f"{episode.place} must have as many observations as actions, or one more; got "
                f"{len(observed)} observations and {len(acted)} actions: the file is damaged or "
                "of another format"
            )
        states.append(_finite(observed[: len(acted)], f"observations of {episode.place}"))
        actions.append(_finite(acted, f"actions of {episode.place}"))
        if states[0].shape[1] != observed.shape[1]:
            raise DataError(
                f"observations of {episode.place} must have {states[0].shape[1]} columns as in "
                f"the episodes before; got {observed.shape[1]}: pass files of one version of "
                f"{task.name}"
            )
    pairs = sum(map(len, states))
    if not pairs:
        raise DataError(
            f"the files for {task.name} must hold at least one (state, action) pair; got none in "
            f"{len(states)} episodes: pass other files"
        )
    inputs = torch.from_numpy(np.concatenate(states))
    names = task.observation_names + task.older_observation_names
    return RawData(
        inputs=inputs,
        targets=torch.from_numpy(np.concatenate(actions)),
        input_names=names[: inputs.shape[1]],
        target_names=task.action_names,
        provenance={"data": task.name, "samples": pairs, "episodes": len(states)} | provenance,
    )


def _matrix(values: npt.NDArray[Any], name: str, widths: set[int]) -> npt.NDArray[Any]:
    """The values; refused unless they are a real matrix of one of these widths."""
    if values.dtype.kind not in "fiu":
        raise DataError(f"{name} must be real numbers; got {values.dtype}: pass another file")
    if values.size == 0:  # an episode without steps, whose width some formats do not store
        return np.empty((0, min(widths)))
    if values.ndim != 2 or values.shape[1] not in widths:
        expected = " or ".join(str(width) for width in sorted(widths))
        raise DataError(
            f"{name} must have the shape (steps, {expected}); got {values.shape}: pass a file of "
            "this environment"
        )
    return values


def _finite(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    """The values in float32; refused unless all are finite there."""
    with np.errstate(over="ignore"):  # what overflows is refused below, by its row
        rounded = values.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rounded).all(axis=1))
    if len(bad):
        raise NonFiniteError(
            f"{name} must be finite in float32; got NaN, infinity or larger numbers in {len(bad)} "
            f"row(s), the first is row {bad[0]} counted from 0: repair the file or remove these "
            "rows",
            row=int(bad[0]),
        )
    return rounded
