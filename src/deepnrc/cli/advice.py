"""Advice of the library in the words of the command line: ``--reduce last``, not ``reduce=``."""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["in_options", "options_of"]


def options_of(command: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a command's parameters."""
    return tuple(inspect.signature(command).parameters)


def in_options(text: str, names: Iterable[str]) -> str:
    """A message with keyword arguments that are options of a command written as such.

    Args:
        text: The message.
        names: Of the parameters of the command.
    """
    called = {name: f"--{name.replace('_', '-')}" for name in names}
    if "head" in called:
        called["outputs"] = "--head NAME=OUTPUT"
    if not called:
        return text

    def option(match: re.Match[str]) -> str:
        name, value = called[match["name"]], match["value"] or ""
        if value.startswith("lambda"):
            return f"{name} PKG.MOD:NAME, the name of a function such as {value}"
        if value.startswith("{"):
            return name
        if value == "False":
            return f"--no-{name[2:]}"
        return f"{name} {value.strip(_QUOTES)}" if value else name

    known = "|".join(sorted(called, key=len, reverse=True))
    pattern = rf"(?<![\w.-])(?P<name>{known})=(?P<value>lambda .*|'[^']*'|{{[^}}]*}}|\w+)?"
    return re.sub(pattern, option, text)


_QUOTES = "'"
