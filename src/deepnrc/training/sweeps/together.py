"""Runs of one group, trained at once as an ensemble, each with its own folder."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deepnrc.data.dataset import Dataset
from deepnrc.errors import ArgumentError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.epoch.ensemble import Ensemble
from deepnrc.training.runs.data import TrainingData, load_data
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.session import RunEvents, Session
from deepnrc.training.sweeps.grouping import MEMBER_KEYS, ensemble_groups

__all__ = ["run_together"]


def run_together(
    configs: Sequence[ExperimentConfig], outs: Sequence[Path], *, data: Dataset | None = None
) -> list[Exception | None]:
    """Train the experiments of one group at once, each with the result of `run_experiment`.

    Weights, log and measurements are those of training one by one, up to the rounding of sums that
    are taken in another order. Interrupted runs resume from their own checkpoints. They resume bit
    for bit where the same members train together in each epoch. Where the checkpoints are of
    different epochs, because the process was killed while it wrote them, the members that are
    behind catch up first, without the others, and rounding may differ.

    Args:
        configs: The experiments; `ensemble_groups` finds those that go together.
        outs: The folder of each.
        data: Replaces the data set that the configurations name.

    Returns:
        What went wrong with each, or None. A member whose folder is in use or holds something
        else, or whose loss is not finite, does not stop the others.

    Raises:
        ArgumentError: The experiments cannot be trained at once.
        FileError: The data cannot be read.
    """
    if len(ensemble_groups(configs, len(configs) or 1)) != 1:
        raise ArgumentError(
            "configs: expected experiments that differ only in seed, "
            f"{', '.join(sorted(MEMBER_KEYS))}: train the others alone"
        )
    data = load_data(configs[0]) if data is None else data
    on_device = TrainingData(data, configs[0].training.device)
    with _Members(len(configs)) as members:
        for number, (config, out) in enumerate(zip(configs, outs, strict=True)):
            members.open(number, config, out, on_device)
        members.each(lambda session: session.begin(together=len(configs)))
        while sessions := members.furthest_behind():
            ensemble = Ensemble([session.state for session in sessions], sessions[0].objective)
            while members.furthest_behind() == sessions:
                _train_epoch(ensemble, sessions, members, on_device)
        members.each(Session.end)
    return members.errors


class _Members:
    """The sessions of members that have not failed, and what went wrong with the others."""

    def __init__(self, count: int) -> None:
        self.errors: list[Exception | None] = [None] * count
        self._sessions: dict[int, Session] = {}
        self._held = contextlib.ExitStack()

    def open(self, number: int, config: ExperimentConfig, out: Path, data: TrainingData) -> None:
        """Start a member's session; its folder stays locked to the end."""
        with self._failure_of(number):
            session = Session(config, RunFolder(out), data, RunEvents())
            self._sessions[number] = self._held.enter_context(session)

    def each(self, act: Callable[[Session], None], among: Sequence[Session] | None = None) -> None:
        """Call ``act`` for each session; one that fails is no longer among the members."""
        for number, session in list(self._sessions.items()):
            if among is None or session in among:
                with self._failure_of(number):
                    act(session)

    def furthest_behind(self) -> list[Session]:
        """The sessions that train next: of the unfinished ones, all at the earliest epoch."""
        left = [session for session in self._sessions.values() if not session.is_done]
        first = min((session.state.epoch for session in left), default=0)
        return [session for session in left if session.state.epoch == first]

    @contextlib.contextmanager
    def _failure_of(self, number: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is, the other members continue
            self.errors[number] = error
            self._sessions.pop(number, None)

    def __enter__(self) -> "_Members":
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()


def _train_epoch(
    ensemble: Ensemble, sessions: Sequence[Session], members: _Members, data: TrainingData
) -> None:
    training = sessions[0].config.training
    results = ensemble.train_epoch(
        data.feeds["train"],
        batch_size=training.batch_size,
        lrs=[session.rate for session in sessions],
        clip_norm=training.clip_norm,
    )
    by_session = dict(zip(sessions, results, strict=True))
    members.each(lambda session: session.observe(by_session[session]), among=sessions)
    # All or none, one right after the other, so that their epochs rarely differ afterwards.
    if any(session.save_is_due for session in sessions):
        members.each(Session.save, among=sessions)
