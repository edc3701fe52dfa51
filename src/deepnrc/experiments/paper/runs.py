"""Trains what a group lacks, and reads what its runs left behind."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from deepnrc.data.access.download import check_fetched
from deepnrc.data.access.store import build, find_built
from deepnrc.data.registry import find_source
from deepnrc.experiments.paper.groups import Plan
from deepnrc.results.diagnosis import Diagnosis, diagnose
from deepnrc.results.measurement import Measurement
from deepnrc.results.measurement import load as load_measurement
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.log import read_log
from deepnrc.training.sweeps.executors import Executor
from deepnrc.training.sweeps.sweep import Member, MemberStatus, is_finished, run_sweep

__all__ = [
    "FinishedRun",
    "GroupRuns",
    "build_data",
    "finished_runs",
    "median_epoch",
    "settled_epoch",
    "train_missing",
]


@dataclass(frozen=True)
class FinishedRun:
    """One run of a group, read from its folder when asked.

    Attributes:
        member: Its configuration and the swept settings.
        folder: Where it lies.
    """

    member: Member
    folder: RunFolder

    @property
    def seed(self) -> int:
        """Of the initial weights and the order of the samples."""
        return self.member.config.seed

    @property
    def epochs(self) -> int:
        """That it was trained for."""
        return self.member.config.training.epochs

    @cached_property
    def measurement(self) -> Measurement:
        """Of the last epoch, on the training data."""
        return load_measurement(self.folder.measurement(self.epochs))

    @cached_property
    def test(self) -> Measurement:
        """Of the last epoch, on the test data."""
        return load_measurement(self.folder.measurement(self.epochs, "test"))

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """Of the last epoch, on the training data."""
        return diagnose(self.measurement)

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """Losses and the like, one entry an epoch."""
        return read_log(self.folder.log)

    @cached_property
    def history(self) -> tuple[tuple[int, Measurement], ...]:
        """Each measured epoch with its measurement on the training data, ascending."""
        epochs = self.folder.epochs()
        return tuple((e, load_measurement(self.folder.measurement(e))) for e in epochs)

    def first_collapsed_epoch(self, rule: str) -> int | None:
        """The measured epoch from which on some layer is collapsed, to the end of training.

        The rule of the first collapsed layer, over epochs: an epoch at which the conditions hold
        by chance and are lost again does not count.
        """
        between = self.collapse_interval(rule)
        return None if between is None else between[1]

    def collapse_interval(self, rule: str) -> tuple[int, int] | None:
        """The last measured epoch without a collapsed layer (−1: none), and the next one."""
        first = None
        for epoch, measurement in reversed(self.history):
            if diagnose(measurement, rule=rule).first_collapsed_layer is None:
                return None if first is None else (epoch, first)
            first = epoch
        return None if first is None else (-1, first)


@dataclass(frozen=True)
class GroupRuns:
    """The finished runs of a group, or of those with certain settings.

    Attributes:
        plan: Of the group.
        runs: In the order of the plan.
        failed: By name, why others did not come to their end.
    """

    plan: Plan
    runs: tuple[FinishedRun, ...]
    failed: Mapping[str, str]

    def __iter__(self) -> Iterator[FinishedRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def stand_in(self) -> bool:
        """Whether the data stand in for the paper's, which are not here."""
        stand_in = self.plan.group.stand_in
        names = {member.config.data.name for member in self.plan.members}
        return stand_in is not None and names == {stand_in.name}

    @property
    def title(self) -> str:
        """Of the column in a figure."""
        return self.plan.group.title + (" (stand-in data)" if self.stand_in else "")

    @property
    def dataset(self) -> str:
        """Its name, and for which of the paper's it stands."""
        name = self.plan.members[0].config.data.name
        return f"{name} for {self.plan.group.experiment}" if self.stand_in else name

    @property
    def made_from(self) -> str:
        """The data and how the scale departs from the paper, in a sentence or two."""
        if not self.runs:
            return f"{self.title}: no run came to its end"
        made = list(
            dict.fromkeys(read_json(run.folder.provenance)["made_from"] for run in self.runs)
        )
        few = len(made) <= 3
        source = "; ".join(made) if few else f"{made[0]} (the first of {len(made)} data sets)"
        decays = {run.member.config.training.weight_decay for run in self.runs}
        decay = f"; weight decay {decays.pop():g}" if len(decays) == 1 else ""
        note = f" Here: {self.plan.note}." if self.plan.note else ""
        return f"{self.title}: {source}{decay}.{note}"

    def where(self, **settings: Any) -> "GroupRuns":
        """Those whose swept settings, by the last part of the key, have these values."""
        members = tuple(
            member
            for member in self.plan.members
            if all(_setting(member, key) == value for key, value in settings.items())
        )
        names = {member.name for member in members}
        return GroupRuns(
            replace(self.plan, members=members),
            tuple(run for run in self.runs if run.member.name in names),
            {name: why for name, why in self.failed.items() if name in names},
        )

    def values(self, key: str) -> list[Any]:
        """The values of a swept setting, in order of appearance; also where all runs failed."""
        return list(dict.fromkeys(_setting(member, key) for member in self.plan.members))


def median_epoch(epochs: Sequence[int | None]) -> int | None:
    """The median of the seeds' epochs; those without one count as later than all."""
    known = sorted(epoch for epoch in epochs if epoch is not None)
    middle = len(epochs) // 2
    return known[middle] if middle < len(known) else None


def settled_epoch(log: Sequence[Mapping[str, Any]], within: float = 0.1) -> int | None:
    """The epoch from which on the training loss stays within this share of its last value.

    Measured on the way from the first loss to the last, so that a loss near 0 has its scale; None
    where the loss did not fall.
    """
    losses = [entry["train_loss"] for entry in log]
    if losses[-1] >= losses[0]:
        return None
    limit = losses[-1] + within * (losses[0] - losses[-1])
    above = [entry["epoch"] for entry in log if entry["train_loss"] > limit]
    return int(above[-1]) + 1 if above else 1


def build_data(plans: Sequence[Plan], say: Callable[[str], None]) -> None:
    """Build the data sets that the plans' runs need and that are not there.

    Raises:
        DeepNRCError: One cannot be built; the message says what it needs.
    """
    seen = set()
    for plan in plans:
        for member in plan.members:
            data = member.config.data
            source = find_source(data.name)
            samples = source.default_samples if data.samples is None else data.samples
            key = (data.name, samples, data.seed)
            if source.build is None or data.path is not None or key in seen:
                continue
            seen.add(key)
            if data.samples is None and check_fetched(source) is not None:
                continue
            if find_built(*key) is None:
                say(f"building '{data.name}' with {samples:,} samples and seed {data.seed}")
                build(
                    data.name,
                    samples=samples,
                    seed=data.seed,
                    seconds=plan.build_seconds,
                    say=say,
                )


def train_missing(
    plans: Sequence[Plan],
    out: Path,
    executor: Executor,
    *,
    together: int = 1,
    on_status: Callable[[Sequence[MemberStatus]], None] = lambda statuses: None,
) -> dict[str, GroupRuns]:
    """Train the runs that are not finished yet, each in its folder ``out/NAME``.

    Args:
        plans: Of the groups.
        out: Folder of all runs.
        executor: Where they run.
        together: Most runs that one worker trains at once, see `run_sweep`.
        on_status: Called with the status of every run, again and again.

    Returns:
        The groups' runs by name; those that failed are named with the reason.
    """
    members = [member for plan in plans for member in plan.members]
    statuses = run_sweep(members, out, executor, together=together, on_status=on_status)
    failed = {s.member.name: s.error for s in statuses if s.state == "failed"}
    return finished_runs(plans, out, failed)


def finished_runs(
    plans: Sequence[Plan], out: Path, failed: Mapping[str, str] | None = None
) -> dict[str, GroupRuns]:
    """The runs of the groups that came to their end, by group."""
    found = {}
    for plan in plans:
        names = {member.name for member in plan.members}
        runs = tuple(
            FinishedRun(member, RunFolder(out / member.name))
            for member in plan.members
            if is_finished(out / member.name, member.config)
        )
        why = {name: error for name, error in (failed or {}).items() if name in names}
        found[plan.name] = GroupRuns(plan, runs, why)
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A run folder's description."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _setting(member: Member, key: str) -> Any:
    matching = [value for name, value in member.settings.items() if name.rpartition(".")[2] == key]
    return matching[0] if matching else None
