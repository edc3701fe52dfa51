"""Groups of runs that figures are made from: one TOML file each under ``groups/``."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepnrc.errors import ArgumentError
from deepnrc.support.registry import Registry
from deepnrc.training.config import DataConfig

__all__ = [
    "AtScale",
    "Group",
    "Scale",
    "check_scale",
    "groups",
    "read_group",
    "register_group",
]

Scale = Literal["smoke", "cpu", "full"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AtScale(_Table):
    """What differs at a scale.

    Attributes:
        seeds: The number of seeds, in place of the group's.
        set: Settings on top of the experiment's and the group's.
        over: Swept settings in place of the group's.
        variants: Variants in place of the group's.
        build_seconds: Time limit for training an expert whose data are not built yet, in seconds.
        note: How this scale departs from the paper's settings, for captions; empty if it does not.
    """

    seeds: int | None = None
    set: list[str] = []
    over: list[str] | None = None
    variants: dict[str, list[str]] | None = None
    build_seconds: float | None = None
    note: str = ""


class Group(_Table):
    """A named experiment, each combination of swept settings, and several seeds of each.

    Figures that need the same runs name the same group, so that none is trained twice.

    Attributes:
        title: The title of its column in a figure.
        experiment: The name of the experiment whose settings it starts from.
        paper: The data set's name among the published curves; empty where there are none.
        seeds: The number of seeds of each combination.
        vary_data: Whether each seed also has its own data set, and so its own teacher.
        set: Settings on top of the experiment's.
        over: Swept settings, ``"key=a,b,c"``.
        variants: Settings that go together, by name; each name is one more value of the sweep.
        stand_in: The data to use where the experiment's own cannot be built and are not there.
        stand_in_set: Settings on top of the group's that go with the stand-in.
        stand_in_note: The same in words, for captions.
        smoke: What differs at the scale of a few minutes, which shows that everything works.
        cpu: What differs at the scale of hours on two cores.
        full: What differs at the paper's sizes.
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
    smoke: AtScale = AtScale()
    cpu: AtScale = AtScale()
    full: AtScale = AtScale()

    def at(self, scale: Scale) -> AtScale:
        """What differs at a scale."""
        chosen: AtScale = getattr(self, scale)
        return chosen


def check_scale(text: str) -> Scale:
    """A scale by name.

    Raises:
        ArgumentError: There is no scale of this name.
    """
    for scale in get_args(Scale):
        if text == scale:
            return scale  # type: ignore[no-any-return]  # one of the literals
    raise ArgumentError(f"scale must be smoke, cpu or full; got '{text}'")


@cache
def groups() -> Registry[Group]:
    """Groups by name: each file of the package's folder, then those that users add."""
    files = sorted((Path(__file__).parent / "groups").glob("*.toml"))
    found = {file.stem: read_group(file) for file in files}
    return Registry("group of runs", "deepnrc.groups", Group, found)


def register_group(name: str, group: Group) -> Group:
    """Add a group of runs for figures of one's own; returns it.

    Raises:
        ArgumentError: The name is taken, or it is not a `Group`.
    """
    return groups().register(name, group)


def read_group(file: Path) -> Group:
    """The group of a TOML file.

    Raises:
        ArgumentError: The file is not valid TOML, or a key is unknown, missing or of another type.
    """
    try:
        return Group.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ArgumentError(f"'{file}' cannot be read as TOML: {error}") from error
    except ValidationError as error:
        problems = [
            f"'{'.'.join(map(str, problem['loc']))}': {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
        raise ArgumentError(f"'{file}' is not a group of runs: {'; '.join(problems)}") from error
