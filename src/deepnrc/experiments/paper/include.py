"""A user's own folder of figures, claims and groups of runs."""

import runpy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper.catalog import claims, figures
from deepnrc.experiments.paper.group import groups, read_group
from deepnrc.support.registry import Registry

__all__ = ["included"]


@contextmanager
def included(folder: Path | None) -> Iterator[None]:
    """Add what a folder holds, and remove it at the end.

    Each ``NAME.toml`` is the group of runs NAME; each ``.py`` file may define a ``FIGURE``, a
    ``CLAIM``, or both.

    Args:
        folder: The folder; None adds nothing.

    Raises:
        ArgumentError: There is no such folder, it holds none of these, a file cannot be read, or a
            name is taken.
    """
    with ExitStack() as stack:
        files = [] if folder is None else sorted([*folder.glob("*.toml"), *folder.glob("*.py")])
        if sum(_add(file, stack) for file in files) == 0 and folder is not None:
            raise ArgumentError(
                f"include must be a folder with .toml files of groups of runs, or .py files that "
                f"define FIGURE or CLAIM; found none in '{folder}'"
            )
        yield


def _add(file: Path, stack: ExitStack) -> int:
    """Register what a file holds; returns how many things it holds."""
    found: list[tuple[Registry[Any], str, Any]] = []
    if file.suffix == ".toml":
        found.append((groups(), file.stem, read_group(file)))
    else:
        names = _run(file)
        if "FIGURE" in names:
            figure = names["FIGURE"]
            found.append((figures(), getattr(figure, "name", file.name), figure))
        if "CLAIM" in names:
            claim = names["CLAIM"]
            found.append((claims(), getattr(claim, "text", file.name), claim))
    for registry, name, item in found:
        registry.register(name, item)
        stack.callback(registry.unregister, name)
    return len(found)


def _run(file: Path) -> dict[str, Any]:
    try:
        return runpy.run_path(str(file))
    except Exception as error:
        raise ArgumentError(
            f"include: '{file}' cannot be imported ({type(error).__name__}: {error})"
        ) from error
