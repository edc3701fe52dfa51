"""The members of a sweep: every combination of settings and seeds, each with a stable name."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepnrc.errors import ArgumentError
from deepnrc.training.config import ExperimentConfig

__all__ = ["Member", "expand"]


@dataclass(frozen=True)
class Member:
    """One run of a sweep.

    Attributes:
        name: Of its folder: the swept settings and the seed.
        config: Its experiment.
        settings: Its value of each swept key; the seed is not among them.
    """

    name: str
    config: ExperimentConfig
    settings: Mapping[str, Any]


def expand(
    make: Callable[[Sequence[str]], ExperimentConfig], over: Sequence[str], *, seeds: int = 1
) -> tuple[Member, ...]:
    """Every combination of the swept values, each with several seeds.

    Args:
        make: Returns the experiment with ``"key=value"`` settings applied.
        over: The swept keys with their values, such as ``"training.weight_decay=0,5e-5,5e-4"``;
            the last key varies fastest.
        seeds: Seeds per combination: the experiment's own seed and those that follow it.

    Returns:
        The members, with names that do not depend on how a value is written.

    Raises:
        ArgumentError: A value is missing, an assignment is malformed, or two members are equal.
    """
    if seeds < 1:
        raise ArgumentError(f"seeds must be at least 1; got {seeds}")
    axes = [_axis(assignment) for assignment in over]
    keys = [key for key, _ in axes]
    for key in keys:
        if keys.count(key) > 1 or key == "seed":
            why = "the seeds come from --seeds" if key == "seed" else "it is swept over twice"
            raise ArgumentError(f"--over {key}: {why}; give each key once, with all its values")
    found: dict[str, Member] = {}
    for values in itertools.product(*(values for _, values in axes)):
        config = make([f"{key}={value}" for key, value in zip(keys, values, strict=True)])
        settings = {key: _value(config, key) for key in keys}
        for seed in range(config.seed, config.seed + seeds):
            name = _name({**settings, "seed": seed})
            if name in found:
                raise ArgumentError(f"--over: two members would be '{name}': give each value once")
            seeded = config.model_copy(update={"seed": seed})
            found[name] = Member(name, seeded, settings)
    return tuple(found.values())


def _axis(assignment: str) -> tuple[str, list[str]]:
    """The key and values of ``key=1,2``; commas within brackets do not separate values."""
    key, _, text = assignment.partition("=")
    values, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            values.append("")
        else:
            values[-1] += character
    if not key.strip() or not all(value.strip() for value in values):
        raise ArgumentError(
            f"--over {assignment}: expected KEY=VALUE,VALUE,…, such as training.weight_decay=0,1e-3"
        )
    return key.strip(), [value.strip() for value in values]


def _value(config: ExperimentConfig, key: str) -> Any:
    """The value as the configuration has it, so that 5e-5 and 0.00005 are the same member."""
    value: Any = config.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value


def _name(settings: Mapping[str, Any]) -> str:
    """``weight_decay=5e-05_depth=4_seed=0``; full keys where their last parts are ambiguous."""
    ends = [key.rpartition(".")[2] for key in settings]
    shown = [end if ends.count(end) == 1 else key for key, end in zip(settings, ends, strict=True)]
    values = [_short(value) for value in settings.values()]
    text = "_".join(f"{key}={value}" for key, value in zip(shown, values, strict=True))
    return re.sub(r"[^\w.,=+\[\]-]", "-", text)


def _short(value: Any) -> str:
    """0 rather than 0.0, where this loses no digit."""
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)
