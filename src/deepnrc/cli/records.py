"""Commands with many options: each group of them is a record of its own."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

__all__ = ["from_records"]


def from_records(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator: give a command the fields of the dataclasses it takes as its options.

    Args:
        function: Whose parameters are all dataclasses; it is called with their instances. Each
            field has a default and is annotated for typer.
    """
    kinds = {
        name: kind for name, kind in typing.get_type_hints(function).items() if name != "return"
    }
    names = {name: [field.name for field in dataclasses.fields(x)] for name, x in kinds.items()}

    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(
            **{
                name: kind(**{key: given[key] for key in names[name]})
                for name, kind in kinds.items()
            }
        )

    hints: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for kind in kinds.values():
        hints |= typing.get_type_hints(kind, include_extras=True)
        parameters += inspect.signature(kind).parameters.values()
    keywords = [p.replace(kind=p.KEYWORD_ONLY, annotation=hints[p.name]) for p in parameters]
    command.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in keywords}
    del command.__wrapped__  # inspect would look through it
    return command
