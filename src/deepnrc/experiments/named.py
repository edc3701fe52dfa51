"""Experiments by name: the papers' settings under ``configs/``, and those that others add."""

from collections.abc import Iterable
from pathlib import Path

from deepnrc.errors import ArgumentError
from deepnrc.support.registry import Registry
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.config.file import parse_config, read_config

__all__ = ["experiment_names", "find_experiment", "register"]

_PAPERS = {file.stem: file for file in sorted((Path(__file__).parent / "configs").glob("*.toml"))}
_EXPERIMENTS: Registry[str | Path] = Registry(
    "experiment", "deepnrc.experiments", str | Path, _PAPERS
)


def experiment_names() -> tuple[str, ...]:
    """The names that `find_experiment` knows, sorted."""
    return tuple(sorted(_EXPERIMENTS.names()))


def register(name: str, toml: str | Path) -> None:
    """Add an experiment, so that ``deepnrc train NAME`` and `find_experiment` know it.

    A package adds its own by an entry point of the group ``deepnrc.experiments`` whose object is
    such a text or path.

    Args:
        name: Of the experiment.
        toml: Its TOML as text, or the path of its file.

    Raises:
        ArgumentError: The name is taken, or ``toml`` is neither text nor path.
    """
    _EXPERIMENTS.register(name, toml)


def find_experiment(name: str, overrides: Iterable[str] = ()) -> ExperimentConfig:
    """A named experiment, or the one of a file, with overrides.

    Args:
        name: One of `experiment_names`, or the path of a file that ends in ``.toml``.
        overrides: ``"training.weight_decay=1e-3"`` and the like, applied in order.

    Raises:
        ArgumentError: There is no such experiment, or the configuration is not valid.
        FileError: The file cannot be read.
    """
    if name.endswith(".toml"):
        return read_config(Path(name), overrides)
    try:
        found = _EXPERIMENTS.find(name)
    except ArgumentError as error:
        if name in _EXPERIMENTS.names():
            raise
        raise ArgumentError(f"{error}, and any file that ends in .toml") from None
    source = f"the experiment '{name}'"
    if isinstance(found, Path):
        return read_config(found, overrides, source=source, name=name)
    return parse_config(found, overrides, source=source, name=name)
