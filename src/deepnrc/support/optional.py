"""Import a library that not everybody has, or say how to get it."""

import importlib
from types import ModuleType

from deepnrc.errors import ArgumentError

__all__ = ["optional_import"]


def optional_import(module: str, *, purpose: str, extra: str = "", package: str = "") -> ModuleType:
    """A module of an optional dependency, imported when it is needed.

    Args:
        module: Its dotted name.
        purpose: What needs it; the subject of the message: "drawing frames needs …".
        extra: The dependency group of deepnrc that has it; or
        package: what to install where no group has it.

    Raises:
        ArgumentError: It cannot be imported; the message says why and what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = f"'deepnrc[{extra}]'" if extra else package or module.partition(".")[0]
        raise ArgumentError(
            f"{purpose} needs {module.partition('.')[0]}, which cannot be imported ({error}): run "
            f"`pip install {wanted}`"
        ) from error
