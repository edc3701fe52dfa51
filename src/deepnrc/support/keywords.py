"""Keyword arguments described by a record: one place for their names, defaults and meaning."""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from deepnrc.errors import ArgumentError
from deepnrc.support.suggestions import did_you_mean

__all__ = ["check_keywords", "keywords_of"]

F = TypeVar("F", bound=Callable[..., Any])


def keywords_of(record: type[Any], *, leave_out: Iterable[str] = ()) -> Callable[[F], F]:
    """Decorator: show the fields of a record as keyword arguments in signature and docstring.

    In the docstring they take the place of the line of the function's ``**`` parameter. The
    function is called as before.

    Args:
        record: A dataclass with an ``Attributes:`` section.
        leave_out: Fields that the function fills in itself; they come last in that section.
    """

    def shown(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        (bundle,) = (p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD)
        fields = inspect.signature(record).parameters.values()
        wanted = [p.replace(kind=p.KEYWORD_ONLY) for p in fields if p.name not in leave_out]
        shown_as = signature.replace(parameters=[*own, *wanted])
        function.__signature__ = shown_as  # type: ignore[attr-defined]
        if function.__doc__ and record.__doc__:  # python -OO drops both
            text = _attributes(record.__doc__, leave_out)
            lines = function.__doc__.splitlines()
            place = next(i for i, x in enumerate(lines) if x.lstrip().startswith(f"{bundle}: "))
            indent = lines[place][: -len(lines[place].lstrip())]
            lines[place : place + 1] = textwrap.indent(text, indent).splitlines()
            function.__doc__ = "\n".join(lines)
        return function

    return shown


def check_keywords(given: Mapping[str, object], known: Iterable[str], *, what: str) -> None:
    """Refuse a keyword that is not known.

    Args:
        given: By name.
        known: Names that are understood.
        what: What a name stands for, for the message: ``"option"``.

    Raises:
        ArgumentError: One is not known; the message names the nearest.
    """
    names = list(known)
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names)
            raise ArgumentError(f"there is no {what} '{name}': {hint}There are {', '.join(names)}")


def _attributes(doc: str, leave_out: Iterable[str]) -> str:
    section = doc.partition("Attributes:\n")[2]
    lines = []
    for line in section.splitlines():
        text = line.strip()
        if not text or any(text.startswith(f"{name}:") for name in leave_out):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines))
