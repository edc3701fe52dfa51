"""Runs that differ in little, trained at once as one ensemble, each with a folder of its own."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deepnrc.data.dataset import Dataset
from deepnrc.errors import ArgumentError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.ensemble import Ensemble
from deepnrc.training.epoch.members import OWN_KEYS
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.saved_run import load_data
from deepnrc.training.runs.session import Parts, RunEvents, Session

__all__ = ["groups", "run_together"]

_OWN = OWN_KEYS - {"device"}  # one for all that share their data


def groups(configs: Sequence[ExperimentConfig], size: int) -> list[list[int]]:
    """Which experiments can be trained at once: those that differ in what each has for itself.

    That is the seed, the learning rate with its schedule, and the weight decay. Networks for
    images and compiled losses are trained alone.

    Args:
        configs: The experiments.
        size: At most so many in a group; those of a kind are spread evenly.

    Returns:
        Places in ``configs``, each in one group; groups and their members in the order given.

    Raises:
        ArgumentError: ``size`` is below 1.
    """
    if size < 1:
        raise ArgumentError(
            f"together must be at least 1, runs that are trained at once; got {size}"
        )
    kinds: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        alone = config.training.compile or config.model.kind != "mlp"
        kinds.setdefault(f"alone {number}" if alone else _shared(config), []).append(number)
    found = [part for numbers in kinds.values() for part in _evenly(numbers, size)]
    return sorted(found)


def run_together(
    configs: Sequence[ExperimentConfig], outs: Sequence[Path], *, data: Dataset | None = None
) -> list[Exception | None]:
    """Train experiments of one group at once, each to what `run_experiment` makes of it.

    Weights, log and measurements are those of training one by one up to the rounding of sums that
    are taken in another order. Killed and started again, each goes on from its own checkpoint.
    The end is then the same to the last bit where the same members train together in each epoch;
    where the checkpoints were of different epochs (killed while they were written), those behind
    catch up first, without the others, and rounding may differ.

    Args:
        configs: The experiments; `groups` finds such.
        outs: The folder of each.
        data: In place of the set that the configurations name.

    Returns:
        What went wrong with each, or None: its folder is in use or holds something else, its loss
        is no longer finite. The others go on without it.

    Raises:
        ArgumentError: The experiments cannot be trained at once.
        FileError: The data cannot be read.
    """
    if len(groups(configs, len(configs) or 1)) != 1:
        raise ArgumentError(
            "configs: expected experiments that differ only in seed, "
            f"{', '.join(sorted(_OWN))}: train the others by themselves"
        )
    data = load_data(configs[0]) if data is None else data
    parts = Parts(data, configs[0].training.device)
    with _Members(len(configs)) as members:
        for number, (config, out) in enumerate(zip(configs, outs, strict=True)):
            members.open(number, config, out, parts)
        members.each(lambda session: session.begin(together=len(configs)))
        while sessions := members.furthest_behind():
            ensemble = Ensemble([session.state for session in sessions], sessions[0].objective)
            while members.furthest_behind() == sessions:
                _train_epoch(ensemble, sessions, members, parts)
        members.each(Session.end)
    return members.errors


class _Members:
    """Sessions that can still go on, and what went wrong with the others."""

    def __init__(self, count: int) -> None:
        self.errors: list[Exception | None] = [None] * count
        self._sessions: dict[int, Session] = {}
        self._held = contextlib.ExitStack()

    def open(self, number: int, config: ExperimentConfig, out: Path, parts: Parts) -> None:
        """Add a member, or record why it cannot be added; its folder stays locked to the end."""
        with self._kept(number):
            self._held.enter_context(lock_folder(out))
            session = Session(config, RunFolder(out), parts, RunEvents())
            self._sessions[number] = self._held.enter_context(session)

    def each(self, act: Callable[[Session], None], among: Sequence[Session] | None = None) -> None:
        """Do this for each; one that fails is no longer among the members."""
        for number, session in list(self._sessions.items()):
            if among is None or session in among:
                with self._kept(number):
                    act(session)

    def furthest_behind(self) -> list[Session]:
        """Those that must train next: of the unfinished ones, all at the earliest epoch."""
        left = [session for session in self._sessions.values() if not session.is_done]
        first = min((session.state.epoch for session in left), default=0)
        return [session for session in left if session.state.epoch == first]

    @contextlib.contextmanager
    def _kept(self, number: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is, the other members go on
            self.errors[number] = error
            self._sessions.pop(number, None)

    def __enter__(self) -> "_Members":
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()


def _train_epoch(
    ensemble: Ensemble, sessions: Sequence[Session], members: _Members, parts: Parts
) -> None:
    training = sessions[0].config.training
    results = ensemble.train_epoch(
        parts.feeds["train"],
        batch_size=training.batch_size,
        lrs=[session.rate for session in sessions],
        clip_norm=training.clip_norm,
    )
    found = dict(zip(sessions, results, strict=True))
    members.each(lambda session: session.observe(found[session]), among=sessions)
    # All or none, one right after the other: what is stopped in between is rarely apart.
    if any(session.save_is_due for session in sessions):
        members.each(Session.save, among=sessions)


def _shared(config: ExperimentConfig) -> str:
    """What experiments of a group have in common, as text."""
    return config.model_dump_json(exclude={"seed": True, "training": set(_OWN)})


def _evenly(numbers: Sequence[int], size: int) -> list[list[int]]:
    count = -(-len(numbers) // size)
    ends = [len(numbers) * part // count for part in range(count + 1)]
    return [list(numbers[a:b]) for a, b in itertools.pairwise(ends)]
