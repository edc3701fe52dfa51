"""Experiment files: a checked configuration from TOML, and TOML from a configuration."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.reading import parse_toml, read_bounded
from deepnrc.training.config.experiment import ExperimentConfig
from deepnrc.training.config.messages import explain
from deepnrc.training.config.overrides import override

__all__ = ["config_text", "parse_config", "plain_config", "read_config"]

_LARGEST = 2**20  # bytes; a written one has three thousand


def read_config(
    path: Path, overrides: Iterable[str] = (), *, source: str = "", name: str = ""
) -> ExperimentConfig:
    """The experiment of a TOML file.

    Args:
        path: The file.
        overrides: ``"training.weight_decay=1e-3"`` and the like, applied in order.
        source: What messages call the file; its path by default.
        name: Of the experiment, if the file gives none; the file's own by default.

    Raises:
        FileError: The file cannot be read.
        ArgumentError: The file is not valid TOML, or holds an unknown key, a value of another type
            or an invalid combination; the message names key, line and nearest valid name.
    """
    try:
        text = read_bounded(path, limit=_LARGEST).decode()
    except UnicodeDecodeError as error:
        raise FileError(f"cannot read '{path}': {error}") from error
    return parse_config(text, overrides, source=source or str(path), name=name or path.stem)


def parse_config(
    text: str, overrides: Iterable[str] = (), *, source: str, name: str
) -> ExperimentConfig:
    """The experiment of a TOML text, as `read_config` does.

    Args:
        text: TOML.
        overrides: As for `read_config`.
        source: What messages call the text.
        name: Of the experiment, if the text gives none.

    Raises:
        ArgumentError: As for `read_config`.
    """
    values = parse_toml(text, source=source)
    values.setdefault("name", name)
    overridden = [override(values, assignment) for assignment in overrides]
    try:
        return ExperimentConfig.model_validate(values)
    except ValidationError as error:
        problems = explain(error, values, text=text, source=source, overridden=overridden)
        raise ArgumentError("\n  ".join(problems)) from error


def plain_config(config: ExperimentConfig) -> dict[str, Any]:
    """The configuration as TOML holds it; keys that are None are left out."""
    return config.model_dump(mode="json", exclude_none=True)


def config_text(config: ExperimentConfig) -> str:
    """The configuration as TOML, every default written out."""
    return tomli_w.dumps(plain_config(config))
