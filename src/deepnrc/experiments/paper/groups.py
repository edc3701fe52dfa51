"""Groups of runs that figures are made of: one TOML file each under ``groups/``, at three scales.

A group is a named experiment with settings over it, every combination of the swept values, and so
many seeds of each. Figures that need the same runs name the same group, so none is trained twice.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from deepnrc.data.access.download import check_fetched
from deepnrc.data.registry import find_source
from deepnrc.errors import ArgumentError
from deepnrc.experiments.named import find_experiment
from deepnrc.training.config import DataConfig, ExperimentConfig
from deepnrc.training.sweeps.sweep import Member, expand

__all__ = ["Group", "Plan", "Scale", "check_scale", "find_group", "group_names", "plan_group"]

Scale = Literal["smoke", "cpu", "full"]
_FOLDER = resources.files(__package__) / "groups"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _AtScale(_Table):
    """What differs at a scale.

    Attributes:
        seeds: In place of the group's.
        set: Settings over the experiment's and the group's.
        over: Swept settings in place of the group's.
        variants: In place of the group's.
        build_seconds: Bound of the training of an expert whose data are not there yet.
        note: How this scale departs from the paper's setting, for captions; empty if it does not.
    """

    seeds: int | None = None
    set: list[str] = []
    over: list[str] | None = None
    variants: dict[str, list[str]] | None = None
    build_seconds: float | None = None
    note: str = ""


class Group(_Table):
    """One file under ``groups/``.

    Attributes:
        title: Of the column in a figure.
        experiment: Name of the experiment whose settings it starts from.
        paper: The dataset's name in the published curves; empty where the paper has none.
        seeds: Of each combination.
        vary_data: Whether each seed has a data set, so a teacher, of its own.
        set: Settings over the experiment's.
        over: Swept settings, ``"key=a,b,c"``.
        variants: Settings that go together, by name; each name is a further value of the sweep.
        stand_in: The data to take where the experiment's own, which cannot be built, are absent.
        stand_in_set: Settings over the group's that go with them.
        stand_in_note: The same in words, for captions.
        smoke: What differs at this scale: a few minutes, to see the machine work.
        cpu: Hours on two cores.
        full: The paper's sizes.
    """

    title: str
    experiment: str
    paper: str = ""
    seeds: int = Field(default=5, ge=1)
    vary_data: bool = False
    set: list[str] = []
    over: list[str] = []
    variants: dict[str, list[str]] = {}
    stand_in: DataConfig | None = None
    stand_in_set: list[str] = []
    stand_in_note: str = ""
    smoke: _AtScale = _AtScale()
    cpu: _AtScale = _AtScale()
    full: _AtScale = _AtScale()

    def at(self, scale: Scale) -> _AtScale:
        """What differs at a scale."""
        chosen: _AtScale = getattr(self, scale)
        return chosen


@dataclass(frozen=True)
class Plan:
    """The runs of a group at a scale.

    Attributes:
        name: Of the group.
        group: The group.
        note: How this scale departs from the paper's setting.
        members: One a run.
        build_seconds: Bound of the training of an expert whose data are not there yet.
    """

    name: str
    group: Group
    note: str
    members: tuple[Member, ...]
    build_seconds: float | None


def check_scale(text: str) -> Scale:
    """A scale by name.

    Raises:
        ArgumentError: There is none of this name.
    """
    for scale in get_args(Scale):
        if text == scale:
            return scale  # type: ignore[no-any-return]  # one of the literals
    raise ArgumentError(f"scale: expected smoke, cpu or full, got '{text}'")


def group_names() -> tuple[str, ...]:
    """The names that `find_group` knows, sorted."""
    files = (file.name for file in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def find_group(name: str) -> Group:
    """A group by name.

    Raises:
        ArgumentError: There is none of this name.
    """
    names = group_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ArgumentError(
            f"there is no group of runs '{name}'; {hint}There are {', '.join(names)}"
        )
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return Group.model_validate(tomllib.loads(text))


def plan_group(
    name: str,
    scale: Scale,
    *,
    seeds: int | None = None,
    paths: Mapping[str, str] | None = None,
) -> Plan:
    """The runs of a group, each with its whole configuration.

    Args:
        name: Of the group.
        scale: How large.
        seeds: Of each combination; None is the group's own number.
        paths: Real files by data set; without, what was fetched or built, or the stand-in. Of real
            files the first rows are taken, as many as the scale has.

    Raises:
        ArgumentError: No such group, or fewer than one seed.
    """
    group = find_group(name)
    chosen = group.at(scale)
    count = seeds or chosen.seeds or group.seeds
    if seeds is not None and seeds < 1:
        raise ArgumentError(f"seeds must be at least 1; got {seeds}")
    variants = group.variants if chosen.variants is None else chosen.variants
    members = []
    for variant, settings in (variants or {"": []}).items():

        def make(swept: Any, settings: list[str] = settings) -> ExperimentConfig:
            return _configure(group, scale, [*chosen.set, *settings, *swept], paths or {})

        over = group.over if chosen.over is None else chosen.over
        for member in expand(make, over, seeds=count):
            members.append(_named(name, variant, member, vary_data=group.vary_data))
    notes = [chosen.note] if chosen.note else []
    stand_in = group.stand_in
    if stand_in is not None and members[0].config.data.name == stand_in.name and scale != "smoke":
        notes += [group.stand_in_note] if group.stand_in_note else []
    return Plan(name, group, ", ".join(notes), tuple(members), chosen.build_seconds)


def _configure(
    group: Group, scale: Scale, values: list[str], paths: Mapping[str, str]
) -> ExperimentConfig:
    """The experiment with the group's settings and these over it, on the data that are here."""
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
    config = member.config
    if vary_data:
        data = config.data.model_copy(update={"seed": config.data.seed + config.seed})
        config = config.model_copy(update={"data": data})
    parts = [group, variant.replace(" ", "-")] if variant else [group]
    settings = {"variant": variant, **member.settings} if variant else dict(member.settings)
    return Member(",".join([*parts, member.name]), config, settings)
