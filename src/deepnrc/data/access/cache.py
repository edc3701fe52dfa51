"""Files of tensors that are either whole and unaltered or refused, and the folder they lie in.

A set is one safetensors file. Its header holds a JSON description and a SHA-256 over that
description and every tensor (name, type, shape, bytes), so a change of either is noticed.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from deepnrc.errors import FileError

__all__ = [
    "build_command",
    "data_folder",
    "load_tensors",
    "rebuild_command",
    "save_tensors",
    "write_atomically",
]

LAYOUT = "deepnrc-data-1"  # counts up when an older reader would misunderstand the file


def data_folder() -> Path:
    """The folder for built and fetched data sets; it need not exist yet.

    ``data`` inside the folder that the environment variable ``DEEPNRC_HOME`` names, or else
    inside the user's cache folder for deepnrc.
    """
    home = os.environ.get("DEEPNRC_HOME")  # empty counts as not set
    base = Path(home).expanduser() if home else platformdirs.user_cache_path("deepnrc")
    return base / "data"


def build_command(name: str, samples: int, seed: int) -> str:
    """What to type to build this set."""
    return f"deepnrc data build {name} --samples {samples}" + (f" --seed {seed}" if seed else "")


def rebuild_command(name: str, path: Path) -> str:
    """What to type to build this file again: size and seed stand in a built set's file name."""
    match = re.search(r"-samples(\d+)-seed(\d+)", path.name)
    if match is None:
        return f"deepnrc data build {name}"
    return build_command(name, int(match[1]), int(match[2]))


def save_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, object]
) -> None:
    """Write tensors with their description as one file, all of it or nothing.

    Args:
        path: The file; missing folders are made, an older file is replaced.
        tensors: By name.
        description: Anything that JSON can hold.

    Raises:
        FileError: if the file cannot be written; what lay there before is untouched.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {
        "layout": LAYOUT,
        "sha256": _digest(stored, description),
        "description": description,
    }
    # Under one key, as safetensors writes several in a random order: same content, same bytes.
    write_atomically(path, save(stored, metadata={"deepnrc": _json(header)}))


def load_tensors(path: Path, *, rebuild: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file of `save_tensors` and check that nothing in it has changed.

    Args:
        path: The file.
        rebuild: The command that makes the file, for the error message.

    Returns:
        The tensors by name, and the description.

    Raises:
        FileError: if the file is missing, damaged, altered or of another layout; the message
            names the file and `rebuild`.
    """
    if not path.exists():
        raise FileError(f"{path} does not exist; build it with `{rebuild}`")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get("deepnrc", "{}"))
            # A clone, because safetensors may hand out memory that is mapped to the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise FileError(
            f"{path} cannot be read as a file of tensors ({error}); build it again with `{rebuild}`"
        ) from error
    if header.get("layout") != LAYOUT:
        raise FileError(
            f"{path}: expected a file of layout {LAYOUT!r}, got {header.get('layout')!r}; "
            f"build it again with `{rebuild}`"
        )
    description: dict[str, Any] = header.get("description", {})
    if header.get("sha256") != _digest(tensors, description):
        raise FileError(
            f"{path} was altered after it was written: its SHA-256 differs from the one in its "
            f"header; build it again with `{rebuild}`"
        )
    return tensors, description


def _json(value: object) -> str:
    """The one text that stands for a value: keys sorted, and no NaN, which is not JSON."""
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _digest(tensors: Mapping[str, torch.Tensor], description: Mapping[str, object]) -> str:
    """SHA-256 over the description and each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(_json(description).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the file, then rename onto it: no reader ever sees half a file.

    Args:
        path: The file; missing folders are made, an older file is replaced.
        content: All of it.

    Raises:
        FileError: if it cannot be written; what lay there before is untouched.
    """
    # In the same folder, because a rename is atomic only within one file system.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # or a crash could leave the new name on no content
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(
            f"{path} cannot be written ({error}); free the disk or set DEEPNRC_HOME to a folder "
            "that can be written to"
        ) from error
