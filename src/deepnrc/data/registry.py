"""The data sets by name. Each module that has some lists them as ``SOURCES``."""

import difflib
import importlib

from deepnrc.data.source import Source
from deepnrc.errors import ArgumentError

__all__ = ["dataset_names", "find_source"]

_MODULES = {
    "swimmer": "deepnrc.data.sets.imitation",
    "reacher": "deepnrc.data.sets.imitation",
    "hopper": "deepnrc.data.sets.imitation",
    "sgemm": "deepnrc.data.sets.sgemm",
    "gemm": "deepnrc.data.sets.gemm",
    "carla2d": "deepnrc.data.sets.driving",
    "carla1d": "deepnrc.data.sets.driving",
    "carracing": "deepnrc.data.sets.driving",
    "utkface": "deepnrc.data.sets.faces",
    "synthetic": "deepnrc.data.sets.synthetic",
    "tabular": "deepnrc.data.sets.tabular",
}


def dataset_names() -> tuple[str, ...]:
    """Every name that `deepnrc.data.load` takes."""
    return tuple(_MODULES)


def find_source(name: str) -> Source:
    """What is known of a data set by its name.

    Raises:
        ArgumentError: if there is none of this name; the message names the nearest.
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name.lower(), _MODULES, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ArgumentError(
            f"name: expected a data set, got '{name}'; {hint}There are {', '.join(_MODULES)}"
        )
    module = importlib.import_module(_MODULES[name])
    sources: tuple[Source, ...] = module.SOURCES
    return next(source for source in sources if source.name == name)
