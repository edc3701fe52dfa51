"""Experiment files: TOML in, a checked configuration or a message that says where it is wrong."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from deepnrc.errors import ArgumentError, FileError
from deepnrc.training.config.experiment import (
    DataConfig,
    ExperimentConfig,
    MeasureConfig,
    MLPConfig,
    ResNetConfig,
    TrainingConfig,
)

__all__ = ["differences", "parse_config", "plain_config", "read_config", "toml_text"]

_TABLES: dict[str, tuple[type[BaseModel], ...]] = {
    "": (ExperimentConfig,),
    "data": (DataConfig,),
    "model": (MLPConfig, ResNetConfig),
    "training": (TrainingConfig,),
    "measure": (MeasureConfig,),
}
_TAGS = ("mlp", "resnet18", "resnet34")  # pydantic puts the network's kind into a key's path


def read_config(path: Path, overrides: Iterable[str] = ()) -> ExperimentConfig:
    """The experiment of a TOML file; its name is the file's where it gives none.

    Args:
        path: The file.
        overrides: ``"training.weight_decay=1e-3"`` and the like, taken in order over the file.

    Raises:
        FileError: The file cannot be read.
        ArgumentError: It is no TOML, or holds an unknown key, a value of another type or a
            combination that cannot be; the message names key, line and nearest valid name.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"cannot read '{path}': {getattr(error, 'strerror', error)}") from error
    return parse_config(text, overrides, source=str(path), name=path.stem)


def parse_config(
    text: str, overrides: Iterable[str] = (), *, source: str, name: str
) -> ExperimentConfig:
    """The experiment of a TOML text; ``source`` names it in messages, ``name`` is its default."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{source} is not valid TOML: {error}") from error
    values.setdefault("name", name)
    given = list(overrides)
    overridden = [_override(values, assignment) for assignment in given]
    try:
        return ExperimentConfig.model_validate(values)
    except ValidationError as error:
        problems = [
            _problem(problem["type"], path, problem["msg"], problem.get("input"))
            + _where(path, text, source, overridden)
            for problem in error.errors(include_url=False)
            for path in [_path(problem["loc"], problem["type"])]
        ]
        raise ArgumentError("\n  ".join(problems)) from error


def plain_config(config: ExperimentConfig) -> dict[str, Any]:
    """The configuration as TOML holds it; keys that are None are left out."""
    return config.model_dump(mode="json", exclude_none=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Lines "key: old, now new" for each key in which two plain configurations differ."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key}: {_shown(before, key)}, now {_shown(after, key)}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def toml_text(values: Mapping[str, Any], table: str = "") -> str:
    """A mapping of numbers, strings, truth values, lists and mappings of these as TOML."""
    lines = [f"{_key(k)} = {_toml(v)}" for k, v in values.items() if not isinstance(v, Mapping)]
    text = "".join(f"{line}\n" for line in lines)
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            path = f"{table}.{_key(key)}" if table else _key(key)
            body = toml_text(value, path)
            text += f"\n[{path}]\n{body}"
    return text


def _override(values: dict[str, Any], assignment: str) -> str:
    """Set one ``key.path=value`` in place, and give back its path."""
    path, separator, text = assignment.partition("=")
    path, text = path.strip(), text.strip()
    if not separator or not path or not text:
        raise ArgumentError(
            f"--set {assignment}: expected KEY=VALUE, such as training.weight_decay=1e-3"
        )
    *tables, key = path.split(".")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise ArgumentError(f"--set {assignment}: {table} is no table of keys")
        values = inner
    try:
        # 1e-3 and [0, 10] are read as TOML does, and what is not TOML is a string without quotes.
        values[key] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[key] = text
    return path


def _path(location: tuple[int | str, ...], kind: str) -> str:
    """``training.milestones[1]`` of pydantic's ("training", "milestones", 1)."""
    if kind.startswith("union_tag"):
        location = (*location, "kind")
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in _TAGS:
            path += f".{part}" if path else part
    return path


def _problem(kind: str, path: str, message: str, value: Any) -> str:
    table, _, key = path.rpartition(".")
    if kind == "extra_forbidden":
        if any(key in model.model_fields for model in _TABLES.get(table, ())):
            return f"'{path}' does not go with this {table}.kind: leave it out"
        return f"unknown key '{path}'{_hint(table, key)}"
    if kind == "missing":
        return f"'{path}' is missing"
    if kind.startswith("union_tag"):
        return f"'{path}' must be one of {', '.join(_TAGS)}; got {_tag(value)!r}"
    if kind == "value_error":
        text = message.removeprefix("Value error, ")
        return f"'{path}': {text}" if path else text
    text = message.removeprefix("Input ")
    return f"'{path}' {text[:1].lower()}{text[1:]}; got {value!r}"


def _tag(value: Any) -> Any:
    return value.get("kind") if isinstance(value, Mapping) else value


def _hint(table: str, key: str) -> str:
    """The nearest valid name: this name in another table, one like it here, or elsewhere."""
    names = {
        t: list(dict.fromkeys(field for model in models for field in model.model_fields))
        for t, models in _TABLES.items()
    }
    here = names.get(table, [])
    exactly = [(t, key) for t, fields in names.items() if key in fields]
    near = [(table, field) for field in difflib.get_close_matches(key, here, n=1)]
    elsewhere = [(t, f) for t in names for f in difflib.get_close_matches(key, names[t], n=1)]
    for t, field in (exactly or near or elsewhere)[:1]:
        return f": did you mean '{f'{t}.{field}' if t else field}'?"
    return f": known here are {', '.join(sorted(here))}"


def _where(path: str, text: str, source: str, overridden: list[str]) -> str:
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


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _shown(values: Mapping[str, Any], key: str) -> str:
    return _toml(values[key]) if key in values else "not set"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(str(value), ensure_ascii=False)
