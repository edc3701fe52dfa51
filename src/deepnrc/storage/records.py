"""Frozen records as plain lists, numbers and strings that JSON can represent, and back."""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, get_args, get_origin

__all__ = ["is_needed", "plain", "restored", "stored_name"]


def plain(value: Any) -> Any:
    """A record, or a value of one, as what JSON can represent: NaN becomes None.

    Infinity becomes ``"inf"`` or ``"-inf"``.

    Args:
        value: A dataclass, tensor, array, list, tuple, mapping, number, text or None.
    """
    if dataclasses.is_dataclass(value):
        return {
            stored_name(f): plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if not f.metadata.get("omit_empty") or getattr(value, f.name)
        }
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value


def restored(kind: Any, value: Any) -> Any:
    """The value that `plain` was given, by its type: a missing number was NaN.

    Fields with a default may be missing: they were added after the file was written.

    Args:
        kind: A dataclass, or the type of one of its fields.
        value: What `plain` returned.

    Raises:
        KeyError: A field without a default is missing.
    """
    if dataclasses.is_dataclass(kind):
        return _record(kind, value)
    if kind is float and value in (None, "inf", "-inf"):
        return math.nan if value is None else float(value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return tuple(restored(arguments[0], item) for item in value)
    if origin is types.UnionType and value is not None:
        (inner,) = [option for option in arguments if option is not types.NoneType]
        return restored(inner, value)
    if origin is Mapping:
        return {key: restored(arguments[1], item) for key, item in value.items()}
    return value


def _record(kind: Any, values: Mapping[str, Any]) -> Any:
    given = {
        field.name: restored(field.type, values[stored_name(field)])
        for field in dataclasses.fields(kind)
        if stored_name(field) in values or is_needed(field)
    }
    return kind(**given)


def stored_name(field: "dataclasses.Field[Any]") -> str:
    """The key of a field in a file: its name, or the older one in the metadata ``stored_as``."""
    name: str = field.metadata.get("stored_as", field.name)
    return name


def is_needed(field: "dataclasses.Field[Any]") -> bool:
    """Whether a field has no default, so that a file must hold it."""
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing
