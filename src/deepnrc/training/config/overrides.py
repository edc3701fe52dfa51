"""Values of ``--set KEY=VALUE`` in place of those of a file."""

import tomllib
from typing import Any

from deepnrc.errors import ArgumentError

__all__ = ["override"]


def override(values: dict[str, Any], assignment: str) -> str:
    """Set one ``key.path=value`` in place; returns the path.

    The value is read as TOML, such as ``1e-3`` or ``[0, 10]``; what is not TOML is a string.

    Raises:
        ArgumentError: The assignment is not of this form, or its path leads through a value.
    """
    path, separator, text = (part.strip() for part in assignment.partition("="))
    if not separator or not path or not text:
        raise ArgumentError(
            f"--set {assignment}: expected KEY=VALUE, such as training.weight_decay=1e-3"
        )
    *tables, key = path.split(".")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise ArgumentError(f"--set {assignment}: {table} is a value, not a table of keys")
        values = inner
    try:
        values[key] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[key] = text
    except RecursionError:
        raise ArgumentError(f"--set {path}: the value is nested too deep: pass another") from None
    return path
