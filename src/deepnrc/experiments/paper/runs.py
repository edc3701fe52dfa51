"""Finished runs, as figures and claims read them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from deepnrc.errors import DataError
from deepnrc.experiments.paper.plan import Plan
from deepnrc.results.diagnosis import Diagnosis, diagnose
from deepnrc.results.measurement import Measurement
from deepnrc.storage.reading import read_json
from deepnrc.training.runs.faults import refuse_fault
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.measured import load_log, load_measured
from deepnrc.training.sweeps.expand import Member

__all__ = ["FinishedRun", "GroupRuns"]


@dataclass(frozen=True)
class FinishedRun:
    """One run of a group; its files are read when they are asked for.

    Attributes:
        member: The configuration and the swept settings.
        folder: The folder of the run.
    """

    member: Member
    folder: RunFolder

    @property
    def seed(self) -> int:
        """The seed of the initial weights and of the order of the samples."""
        return self.member.config.seed

    @property
    def epochs(self) -> int:
        """How many epochs it was trained for."""
        return self.member.config.training.epochs

    @cached_property
    def measurement(self) -> Measurement:
        """The measurement of the last epoch on the training data."""
        return self._measured("train")

    @cached_property
    def test(self) -> Measurement:
        """The measurement of the last epoch on the test data."""
        return self._measured("test")

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis of the last epoch on the training data."""
        return diagnose(self.measurement)

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """Losses and the like, one entry per epoch."""
        return load_log(self.folder)

    @cached_property
    def made_from(self) -> str:
        """The data that it was trained on, in words."""
        refuse_fault(self.folder.manifest(), self.folder.provenance)
        made_from: str = read_json(self.folder.provenance)["made_from"]
        return made_from

    @cached_property
    def history(self) -> tuple[tuple[int, Measurement], ...]:
        """Each measured epoch with its measurement on the training data, ascending."""
        manifest = self.folder.manifest()
        found = (
            (epoch, load_measured(self.folder, epoch, manifest=manifest))
            for epoch in self.folder.epochs()
        )
        return tuple((epoch, one) for epoch, one in found if one is not None)

    def _measured(self, part: str) -> Measurement:
        measurement = load_measured(self.folder, self.epochs, part)
        if measurement is None:
            raise DataError(
                f"'{self.folder.measurement(self.epochs, part)}' is missing: the last epoch was "
                f"not measured on the {part} part"
            )
        return measurement

    def settled_epoch(self, within: float = 0.1) -> int | None:
        """The epoch from which on the training loss stays close to its last value.

        Args:
            within: How close, as a share of the decrease from the first loss to the last.

        Returns:
            The epoch, or None if the loss did not fall.
        """
        losses = [entry["train_loss"] for entry in self.log]
        if losses[-1] >= losses[0]:
            return None
        limit = losses[-1] + within * (losses[0] - losses[-1])
        above = [entry["epoch"] for entry in self.log if entry["train_loss"] > limit]
        return int(above[-1]) + 1 if above else 1

    def first_collapsed_epoch(self, rule: str) -> int | None:
        """The measured epoch from which on a layer is collapsed until the end of training.

        Like the first collapsed layer, but over epochs: an epoch at which the conditions hold by
        chance and are lost again does not count. None if no layer is collapsed at the end.
        """
        between = self.collapse_interval(rule)
        return None if between is None else between[1]

    def collapse_interval(self, rule: str) -> tuple[int, int] | None:
        """The last measured epoch without a collapsed layer (−1 for none), and the next one."""
        first = None
        for epoch, measurement in reversed(self.history):
            if diagnose(measurement, rule=rule).first_collapsed_layer is None:
                return None if first is None else (epoch, first)
            first = epoch
        return None if first is None else (-1, first)


@dataclass(frozen=True)
class GroupRuns:
    """The finished runs of a group, or those of them with certain settings.

    Attributes:
        plan: The plan of these runs and of the missing ones.
        runs: In the order of the plan.
        failed: By name of the run, why it did not finish.
    """

    plan: Plan
    runs: tuple[FinishedRun, ...]
    failed: Mapping[str, str]

    def __iter__(self) -> Iterator[FinishedRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def require(self) -> tuple[FinishedRun, ...]:
        """The runs, at least one.

        Raises:
            DataError: No run finished.
        """
        if not self.runs:
            raise DataError(f"{self.title}: no run finished")
        return self.runs

    def first_collapsed_epoch(self, rule: str) -> int | None:
        """That of the median seed; a seed without one counts as later than all others."""
        found = [run.first_collapsed_epoch(rule) for run in self.runs]
        known = sorted(epoch for epoch in found if epoch is not None)
        middle = len(found) // 2
        return known[middle] if middle < len(known) else None

    @property
    def stand_in(self) -> bool:
        """Whether other data stand in for the paper's, which are not there."""
        stand_in = self.plan.group.stand_in
        names = {member.config.data.name for member in self.plan.members}
        return stand_in is not None and names == {stand_in.name}

    @property
    def title(self) -> str:
        """The title of its column in a figure."""
        return self.plan.group.title + (" (stand-in data)" if self.stand_in else "")

    @property
    def dataset(self) -> str:
        """The name of the data set, and of the paper's data set that it stands in for."""
        name = self.plan.members[0].config.data.name
        return f"{name} for {self.plan.group.experiment}" if self.stand_in else name

    @property
    def made_from(self) -> str:
        """The data and how the scale departs from the paper, in one or two sentences."""
        if not self.runs:
            return f"{self.title}: no run finished"
        made = list(dict.fromkeys(run.made_from for run in self.runs))
        few = len(made) <= 3
        source = "; ".join(made) if few else f"{made[0]} (the first of {len(made)} data sets)"
        decays = {run.member.config.training.weight_decay for run in self.runs}
        decay = f"; weight decay {decays.pop():g}" if len(decays) == 1 else ""
        note = f" Here: {self.plan.note}." if self.plan.note else ""
        return f"{self.title}: {source}{decay}.{note}"

    def where(self, **settings: Any) -> "GroupRuns":
        """Those with these values of swept settings, each named by the last part of its key."""
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
        """The values of a swept setting in order of appearance, also where all runs failed."""
        return list(dict.fromkeys(_setting(member, key) for member in self.plan.members))

    def by(self, key: str) -> dict[Any, "GroupRuns"]:
        """The runs by each value of a swept setting."""
        return {value: self.where(**{key: value}) for value in self.values(key)}


def _setting(member: Member, key: str) -> Any:
    matching = [value for name, value in member.settings.items() if name.rpartition(".")[2] == key]
    return matching[0] if matching else None
