"""What is wrong with an experiment file: which key, in which line, and the nearest valid name."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from deepnrc.errors import ArgumentError
from deepnrc.support.suggestions import nearest
from deepnrc.training.config.experiment import ExperimentConfig
from deepnrc.training.config.model import MLPConfig, ResNetConfig, config_class
from deepnrc.training.config.table import Table

__all__ = ["explain"]


def explain(
    error: ValidationError,
    values: Mapping[str, Any],
    *,
    text: str,
    source: str,
    overridden: Sequence[str],
) -> list[str]:
    """One message for each problem.

    Args:
        error: Of the values.
        values: What was checked.
        text: The TOML that the values come from, for line numbers.
        source: What messages call the text.
        overridden: Paths of the keys that ``--set`` gave.
    """
    keys = _valid_keys(values)
    messages = []
    for problem in error.errors(include_url=False):
        path = _path(problem["loc"])
        message = _message(problem["type"], path, problem["msg"], problem.get("input"), keys)
        messages.append(message + _place(path, text, source, overridden))
    return messages


def _valid_keys(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """The valid keys of each table; those of the file itself are under ``""``."""
    tables: dict[str, type[Table]] = {"": ExperimentConfig}
    for name, field in ExperimentConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            tables[name] = field.annotation
    try:
        tables["model"] = config_class(values["model"]["kind"])
    except (ArgumentError, LookupError, TypeError):
        tables["model"] = MLPConfig
    return {name: list(table.model_fields) for name, table in tables.items()}


def _path(location: tuple[int | str, ...]) -> str:
    """``training.milestones[1]`` of pydantic's ("training", "milestones", 1)."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _message(
    problem: str, path: str, message: str, value: Any, keys: Mapping[str, Sequence[str]]
) -> str:
    table, _, key = path.rpartition(".")
    if problem == "extra_forbidden":
        if table == "model" and key in {*MLPConfig.model_fields, *ResNetConfig.model_fields}:
            return f"'{path}' is not an option of this model.kind: leave it out"
        return f"unknown key '{path}': {_hint(table, key, keys)}"
    if problem == "missing":
        return f"'{path}' is missing"
    if problem == "value_error":
        text = message.removeprefix("Value error, ")
        return f"'{path}': {text}" if path else text
    text = message.removeprefix("Input ")
    return f"'{path}' {text[:1].lower()}{text[1:]}; got {value!r}"


def _hint(table: str, key: str, keys: Mapping[str, Sequence[str]]) -> str:
    """The nearest valid name: this name in another table, one like it here, or elsewhere."""
    found = [(other, key) for other in keys if key in keys[other]]
    for other in (table, *keys):
        near = nearest(key, keys.get(other, ()))
        found += [] if near is None else [(other, near)]
    if found:
        return f"did you mean '{'.'.join(filter(None, found[0]))}'?"
    return f"the keys here are {', '.join(sorted(keys.get(table, ())))}"


def _place(path: str, text: str, source: str, overridden: Sequence[str]) -> str:
    if any(path == o or path.startswith((f"{o}[", f"{o}.")) for o in overridden):
        return f" (--set {path})"
    path = re.sub(r"\[\d+\]$", "", path)
    line = _line(text, path) or _line(text, path.rpartition(".")[0])
    return f" ({source}, line {line})" if line else f" ({source})"


def _line(text: str, path: str) -> int | None:
    """The line of a key, or of its table's heading; tables and dotted keys are understood."""
    table, found = "", None
    for number, line in enumerate(text.splitlines(), start=1):
        heading = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if heading:
            table = heading[1]
            if table == path:
                found = number
        elif key:
            name = key[1].strip("\"'")
            full = f"{table}.{name}" if table else name
            if full == path:
                return number
            if path.startswith(f"{full}."):  # an inline table
                found = number
    return found
