"""From a group of runs and a scale to the configuration of each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from deepnrc.data.access.download import check_fetched
from deepnrc.data.registry import find_source
from deepnrc.errors import ArgumentError
from deepnrc.experiments.named import find_experiment
from deepnrc.experiments.paper.group import Group, Scale, groups
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.sweeps.expand import Member, expand

__all__ = ["Plan", "plan_group"]


@dataclass(frozen=True)
class Plan:
    """The runs of a group at a scale.

    Attributes:
        name: The name of the group.
        group: The group.
        note: How this scale departs from the paper's settings; empty if it does not.
        members: One per run.
        build_seconds: Time limit for training an expert whose data are not built yet, in seconds.
    """

    name: str
    group: Group
    note: str
    members: tuple[Member, ...]
    build_seconds: float | None


def plan_group(
    name: str,
    scale: Scale,
    *,
    seeds: int | None = None,
    paths: Mapping[str, str] | None = None,
) -> Plan:
    """The runs of a group, each with its complete configuration.

    Args:
        name: The name of the group.
        scale: The scale.
        seeds: The number of seeds of each combination; None is the group's own.
        paths: Real files by data set. Their first rows are taken, as many as the scale has. For
            other data sets, what was downloaded or built, or the stand-in.

    Raises:
        ArgumentError: There is no such group, or ``seeds`` is below 1.
    """
    group = groups().find(name)
    chosen = group.at(scale)
    if seeds is not None and seeds < 1:
        raise ArgumentError(f"seeds must be at least 1; got {seeds}")
    count = seeds or chosen.seeds or group.seeds
    variants = group.variants if chosen.variants is None else chosen.variants
    over = group.over if chosen.over is None else chosen.over
    members = []
    for variant, settings in (variants or {"": []}).items():
        configure = partial(_configure, group, scale, paths or {}, [*chosen.set, *settings])
        for member in expand(configure, over, seeds=count):
            members.append(_named(name, variant, member, vary_data=group.vary_data))
    notes = [chosen.note]
    stand_in = group.stand_in
    if stand_in is not None and members[0].config.data.name == stand_in.name and scale != "smoke":
        notes.append(group.stand_in_note)
    note = ", ".join(note for note in notes if note)
    return Plan(name, group, note, tuple(members), chosen.build_seconds)


def _configure(
    group: Group, scale: Scale, paths: Mapping[str, str], fixed: list[str], swept: Sequence[str]
) -> ExperimentConfig:
    """The experiment with the settings of group, scale and sweep, on the data that are there."""
    values = [*fixed, *swept]
    own = find_experiment(group.experiment, [*group.set, *values])
    stand_in = group.stand_in
    if own.data.name in paths:
        rows = own.data.samples
        if rows is None and stand_in is not None and scale != "full":
            rows = stand_in.samples
        data = own.data.model_copy(update={"path": paths[own.data.name], "samples": rows})
        return own.model_copy(update={"data": data})
    if stand_in is None or check_fetched(find_source(own.data.name)) is not None:
        return own
    config = find_experiment(group.experiment, [*group.set, *group.stand_in_set, *values])
    rows = stand_in.samples if own.data.samples is None else own.data.samples
    return config.model_copy(update={"data": stand_in.model_copy(update={"samples": rows})})


def _named(group: str, variant: str, member: Member, *, vary_data: bool) -> Member:
    """The member under the group's name, with the variant among its settings."""
    config = member.config
    if vary_data:
        data = config.data.model_copy(update={"seed": config.data.seed + config.seed})
        config = config.model_copy(update={"data": data})
    parts = [group, variant.replace(" ", "-")] if variant else [group]
    settings = {"variant": variant, **member.settings} if variant else dict(member.settings)
    return Member(",".join([*parts, member.name]), config, settings)
