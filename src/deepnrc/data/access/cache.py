"""The folder of built and fetched data sets, and the files of tensors in it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import torch

from deepnrc.storage.atomic import make_folder
from deepnrc.storage.tensors import read_tensors, write_tensors

__all__ = [
    "build_command",
    "data_folder",
    "load_tensors",
    "rebuild_command",
    "save_tensors",
]

_LAYOUT = "deepnrc-data-1"  # counts up when an older reader would misunderstand the file


def data_folder() -> Path:
    """The folder for built and fetched data sets; it need not exist yet.

    ``data`` inside the folder that the environment variable ``DEEPNRC_HOME`` names, or else
    inside the user's cache folder for deepnrc.
    """
    home = os.environ.get("DEEPNRC_HOME")  # empty counts as not set
    base = Path(home).expanduser() if home else platformdirs.user_cache_path("deepnrc")
    return base / "data"


def build_command(name: str, samples: int, seed: int) -> str:
    """The command that builds this set."""
    return f"deepnrc data build {name} --samples {samples}" + (f" --seed {seed}" if seed else "")


def rebuild_command(name: str, path: Path) -> str:
    """The command that builds this file again, from the size and seed in its name."""
    match = re.search(r"-samples(\d+)-seed(\d+)", path.name)
    if match is None:
        return f"deepnrc data build {name}"
    return build_command(name, int(match[1]), int(match[2]))


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, object]
) -> None:
    """Write tensors with their description as one file, atomically.

    Args:
        path: The file; missing folders are made, an older file is replaced.
        tensors: By name.
        description: What JSON can represent.

    Raises:
        FileError: The file cannot be written; an older one is unchanged.
    """
    make_folder(path.parent)
    write_tensors(path, _LAYOUT, tensors, description)


def load_tensors(path: Path, *, rebuild: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file of `save_tensors` and check that nothing in it has changed.

    Args:
        path: The file.
        rebuild: The command that makes the file, for the error message.

    Returns:
        The tensors by name, and the description.

    Raises:
        FileError: The file is missing, incomplete, altered or of another layout; the message
            contains `rebuild`.
    """
    return read_tensors(path, _LAYOUT, advice=f"build it with `{rebuild}`")
