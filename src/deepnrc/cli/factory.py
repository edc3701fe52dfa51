"""Objects named on the command line as ``package.module:name``."""

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn
from torch.utils.data import Dataset

from deepnrc.errors import ArgumentError

__all__ = ["function_named", "is_name", "loader_named", "model_named"]


def model_named(text: str) -> nn.Module:
    """The model, or what the function of this name returns.

    Raises:
        ArgumentError: The name cannot be imported, or is no model nor a function making one.
    """
    made = _made("--model", text, nn.Module)
    if not isinstance(made, nn.Module):
        raise ArgumentError(
            f"--model {text} gave a {type(made).__name__}; expected a torch.nn.Module"
        )
    return made


def loader_named(text: str) -> Any:
    """The loader or data, or what the function of this name returns.

    Raises:
        ArgumentError: The name cannot be imported, or is no iterable nor data nor a function
            making these.
    """
    made = _made("--data", text, (Iterable, Dataset))
    if not isinstance(made, Iterable | Dataset):
        raise ArgumentError(
            f"--data {text} gave a {type(made).__name__}; expected an iterable of (inputs, "
            "targets), a data set, or (X, y)"
        )
    return made


def is_name(text: str) -> bool:
    """Whether a text is PACKAGE.MODULE:NAME."""
    module, separator, name = text.partition(":")
    return bool(separator) and name.isidentifier() and all(map(str.isidentifier, module.split(".")))


def function_named(option: str, text: str) -> Callable[..., Any]:
    """The function of this name.

    Raises:
        ArgumentError: The name cannot be imported, or is no function.
    """
    found = _found(option, text)
    if not callable(found):
        raise ArgumentError(
            f"{option} {text} is of type {type(found).__name__}; expected a function"
        )
    function: Callable[..., Any] = found
    return function


def _made(option: str, text: str, kind: type | tuple[type, ...]) -> Any:
    found = _found(option, text)
    is_ready = isinstance(found, kind) and not isinstance(found, type)
    return found() if callable(found) and not is_ready else found


def _found(option: str, text: str) -> Any:
    module_name, separator, name = text.partition(":")
    if not separator or not module_name or not name:
        raise ArgumentError(f"{option} must be PACKAGE.MODULE:NAME; got {text!r}")
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` has it
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ArgumentError(
            f"{option} {text}: there is no module '{error.name}' in this folder or environment"
        ) from error
    if not hasattr(module, name):
        raise ArgumentError(f"{option} {text}: module '{module_name}' has no '{name}'")
    return getattr(module, name)
