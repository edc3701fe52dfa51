"""Experiments by name: the papers' settings, one TOML file each under ``configs/``."""

import difflib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from deepnrc.errors import ArgumentError
from deepnrc.training.config.experiment import ExperimentConfig
from deepnrc.training.config.file import parse_config, read_config

__all__ = ["experiment_names", "find_experiment"]

_CONFIGS = resources.files(__package__) / "configs"


def experiment_names() -> tuple[str, ...]:
    """The names that `find_experiment` knows, sorted."""
    return tuple(
        sorted(
            file.name.removesuffix(".toml")
            for file in _CONFIGS.iterdir()
            if file.name.endswith(".toml")
        )
    )


def find_experiment(name: str, overrides: Iterable[str] = ()) -> ExperimentConfig:
    """A named experiment, or the one of a file, with values set over it.

    Args:
        name: One of `experiment_names`, or the path of a file that ends in ``.toml``.
        overrides: ``"training.weight_decay=1e-3"`` and the like, in order.

    Raises:
        ArgumentError: There is no such experiment, or the configuration is not valid.
        FileError: The file cannot be read.
    """
    if name.endswith(".toml"):
        return read_config(Path(name), overrides)
    names = experiment_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f": did you mean '{near[0]}'?" if near else ";"
        raise ArgumentError(
            f"there is no experiment '{name}'{hint} There are {', '.join(names)}, and any file "
            "that ends in .toml"
        )
    text = (_CONFIGS / f"{name}.toml").read_text(encoding="utf-8")
    return parse_config(text, overrides, source=f"the experiment '{name}'", name=name)
