"""What a record looks like in a file: checked when it is read, and given as JSON Schema.

The schema of a dataclass follows from its fields: their types, and in their metadata the bounds
``low`` and ``high`` (or a ``metric`` that has both) and the texts ``one_of``.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, get_args, get_origin

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from deepnrc.errors import FileError
from deepnrc.storage.records import is_needed, stored_name
from deepnrc.support.text import shown

__all__ = ["check_record", "json_schema"]

_ROUNDING = 1e-6  # by which a computed value may be outside its bounds
_LARGEST = 2**63 - 1
_OPTION = re.compile(r"float|none|nullable|constrained-\w+|(literal|list|dict)\[.*\]")
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Infinity = Literal["inf", "-inf"]


def check_record(kind: Any, record: Mapping[str, Any], path: object, *, advice: str) -> None:
    """Refuse a record of a file that cannot be one of this dataclass.

    Args:
        kind: The dataclass.
        record: As `deepnrc.storage.records.plain` gives it.
        path: The file, for messages.
        advice: What to do; the end of the message.

    Raises:
        FileError: A field is missing or unknown, or its value is of another type or out of range;
            the message names it.
    """
    try:
        _adapter(kind).validate_python(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise FileError(f"'{shown(path)}': {_message(first)}: {advice}") from error


def json_schema(kind: Any, title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a dataclass's records."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**_adapter(kind).json_schema(), **dialect}


@cache
def _adapter(kind: Any) -> Any:
    return TypeAdapter(_record(kind))


@cache
def _record(kind: Any) -> Any:
    """A dataclass as the dictionary that a file holds."""
    hints, fields = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        stored = _stored(hints[field.name], field.metadata)
        fields[stored_name(field)] = stored if is_needed(field) else NotRequired[stored]
    record = TypedDict(kind.__name__, fields)  # type: ignore[misc]
    record.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
        extra="forbid", strict=True, title=kind.__name__
    )
    return record


def _stored(kind: Any, metadata: Mapping[str, Any]) -> Any:
    """The type of a value in a file."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind)
    if kind is float:
        return _number(metadata)
    if kind is int:
        return Annotated[int, Field(ge=metadata.get("low", 0), le=_LARGEST)]
    if kind is str and "one_of" in metadata:
        return Literal[tuple(metadata["one_of"])]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and arguments[-1] is Ellipsis:
        return list[_stored(arguments[0], metadata)]  # type: ignore[misc]
    if origin is tuple:
        items = tuple(_stored(argument, metadata) for argument in arguments)
        return Annotated[tuple[items], Field(strict=False)]  # type: ignore[valid-type]
    if origin is Mapping:
        return dict[str, _stored(arguments[1], metadata)]  # type: ignore[misc]
    if origin is types.UnionType:
        stored = [x if x is types.NoneType else _stored(x, metadata) for x in arguments]
        return typing.Union[tuple(stored)]  # noqa: UP007
    return kind


def _number(metadata: Mapping[str, Any]) -> Any:
    """A number, or null where it is undefined; an infinity only where no bound excludes it."""
    bounds = metadata.get("metric")
    low = bounds.low if bounds is not None else metadata.get("low")
    high = bounds.high if bounds is not None else metadata.get("high")
    low = None if low == float("-inf") else low
    if low is None and high is None:
        return _Number | _Infinity | None
    within = Annotated[
        float,
        Field(
            allow_inf_nan=False,
            ge=None if low is None else low - _ROUNDING,
            le=None if high is None else high + _ROUNDING,
        ),
    ]
    if high is None:
        return within | Literal["inf"] | None
    return (within | Literal["-inf"] | None) if low is None else (within | None)


def _message(problem: Any) -> str:
    """``layers[0].rows must be …; got …``."""
    location = [part for part in problem["loc"] if not _is_of_union(part)]
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    path = shown("".join(parts).removeprefix("."))
    if problem["type"] == "missing":
        return f"the field {path} is missing"
    if problem["type"] == "extra_forbidden":
        return f"the field {path} is not known to this version"
    bounds = problem.get("ctx", {})
    text = problem["msg"].removeprefix("Input ").replace("should", "must", 1)
    if "ge" in bounds:
        text = f"must be at least {round(bounds['ge'], 5) + 0.0:g}"
    if "le" in bounds:
        text = f"must be at most {round(bounds['le'], 5) + 0.0:g}"
    value = repr(problem.get("input"))
    got = value if len(value) <= 60 else f"{value[:57]}…"
    return f"{path} {text[:1].lower()}{text[1:]}; got {shown(got)}"


def _is_of_union(part: Any) -> bool:
    """Whether a part of a location only says which option of a union was tried."""
    return _OPTION.fullmatch(str(part)) is not None
