"""Errors as a command line shows them: one message on standard error, exit code 1."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

import typer

from deepnrc.cli.advice import in_options, options_of
from deepnrc.errors import DeepNRCError
from deepnrc.support.text import shown

__all__ = ["command", "exit_with_failures", "set_debug"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_RESUMED = ("reproduce", "sweep", "train")
_debug: ContextVar[bool] = ContextVar("debug", default=False)


def set_debug(debug: bool) -> None:
    """Set whether errors show their traceback."""
    _debug.set(debug)


def command(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Wrap a command: errors become a message and exit code 1, an interruption code 130."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except (typer.Exit, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            resumes = function.__name__ in _RESUMED
            hint = ": the same command resumes where it stopped" if resumes else ""
            typer.echo(f"interrupted{hint}", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader, such as `head`, closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except Exception as error:
            if _debug.get():
                raise
            text = in_options(str(error), options_of(function))
            if not isinstance(error, DeepNRCError):
                # From the user's own model or data: its type says as much as its message.
                text = f"{type(error).__name__}: {error} (--debug shows where)"
            typer.echo(f"error: {shown(text)}", err=True)
            raise typer.Exit(1) from None

    return wrapped


def exit_with_failures(failed: Mapping[str, str], heading: str) -> None:
    """Print the reasons by name under a heading and exit with code 1, where there are any.

    Raises:
        Exit: There are some.
    """
    if failed:
        typer.echo(f"error: {heading}:", err=True)
        for name, why in failed.items():
            reason = why.replace("\n", "\n    ")
            typer.echo(f"  {shown(name)}: {shown(reason)}", err=True)
        raise typer.Exit(1)
