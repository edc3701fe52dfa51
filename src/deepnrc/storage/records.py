"""Frozen records as plain lists, numbers and strings, as JSON holds them, and back."""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, get_args, get_origin

__all__ = ["plain", "restored"]


def plain(value: Any) -> Any:
    """A record, or a value of one, in what JSON knows; numbers that are not finite become None.

    Args:
        value: A dataclass, tuple, mapping, number, text or None.
    """
    if dataclasses.is_dataclass(value):
        return {
            stored_name(f): plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) or not f.metadata.get("omit_empty")
        }
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


def restored(kind: Any, value: Any) -> Any:
    """The value back from `plain`, by its type: where a number is missing it was NaN.

    Fields with a default may be missing: they are younger than the file.

    Args:
        kind: A dataclass, or the type of one of its fields.
        value: What `plain` gave.

    Raises:
        KeyError: A field without a default is missing.
    """
    if dataclasses.is_dataclass(kind):
        return _record(kind, value)
    if kind is float and value is None:
        return math.nan
    if get_origin(kind) is tuple:
        return tuple(restored(get_args(kind)[0], item) for item in value)
    if get_origin(kind) is Mapping:
        return {key: restored(get_args(kind)[1], item) for key, item in value.items()}
    if get_origin(kind) is types.UnionType and value is not None:
        (inner,) = [option for option in get_args(kind) if option is not types.NoneType]
        return restored(inner, value)
    return value


def _record(kind: Any, values: Mapping[str, Any]) -> Any:
    given = {
        field.name: restored(field.type, values[stored_name(field)])
        for field in dataclasses.fields(kind)
        if stored_name(field) in values or _is_needed(field)
    }
    return kind(**given)


def stored_name(field: "dataclasses.Field[Any]") -> str:
    """The key of a field: its name, unless it is older than that."""
    name: str = field.metadata.get("stored_as", field.name)
    return name


def _is_needed(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing
