"""Files of tensors with a digest: read complete and unaltered, or refused; never pickled.

A file is in the safetensors format, so other programs read it too. Its header holds JSON facts
about the tensors, and a SHA-256 over these facts and every tensor's name, type, shape and content.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from deepnrc.errors import FileError
from deepnrc.storage.atomic import replace_file
from deepnrc.storage.reading import parse_json
from deepnrc.support.text import shown

__all__ = ["read_tensors", "tensor_bytes", "write_tensors"]


def write_tensors(
    path: Path, layout: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]
) -> None:
    """Write tensors and facts about them as one file, atomically; the same content, the same bytes.

    Args:
        path: The file; its folder must exist. An older file is replaced.
        layout: What the file holds, with a number that counts up when an older reader would
            misunderstand it: ``"deepnrc-training-2"``.
        tensors: By name.
        facts: What JSON can represent.

    Raises:
        FileError: The file cannot be written; an older one is unchanged.
    """
    replace_file(path, tensor_bytes(layout, tensors, facts))


def tensor_bytes(layout: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> bytes:
    """The content of the file that `write_tensors` writes."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"layout": layout, "sha256": _digest(stored, facts), "description": facts}
    # Under one key, as safetensors writes several in a random order; and by `save`, because a
    # file mapped into memory on a full disk ends the process with a signal instead of an error.
    return save(stored, metadata={"deepnrc": _finite(header)})


def read_tensors(
    path: Path, layout: str, *, advice: str, tensors_only_layout: str = ""
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of `write_tensors` and check that nothing in it has changed.

    Args:
        path: The file.
        layout: What it must hold.
        advice: What to do where it cannot be read; the end of the message.
        tensors_only_layout: An older layout that is read as well: its digest covers the tensors
            alone, and its facts are direct entries of the header.

    Returns:
        The tensors by name, and the facts.

    Raises:
        FileError: The file is missing, incomplete, altered or of another layout.
    """
    if not path.is_file():  # a named pipe would be waited for
        what = (
            f"'{shown(path)}' is not a file"
            if path.exists()
            else f"there is no file '{shown(path)}'"
        )
        raise FileError(f"{what}: {advice}")
    try:
        with safe_open(path, framework="pt") as file:
            header = parse_json((file.metadata() or {}).get("deepnrc", "{}").encode(), path)
            # A clone, because safetensors may return memory that is mapped to the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise FileError(
            f"'{shown(path)}' is not a complete safetensors file ({shown(error)}): it was cut off "
            f"or altered; {advice}"
        ) from error
    header = header if isinstance(header, dict) else {}
    found, sha256 = header.pop("layout", None), header.pop("sha256", None)
    if found == layout:
        facts = header.get("description")
        facts = facts if isinstance(facts, dict) else {}
        expected = _digest(tensors, facts)
    elif found and found == tensors_only_layout:
        facts, expected = header, _digest(tensors, None)
    else:
        raise FileError(
            f"'{shown(path)}' has the layout {shown(repr(found))}; expected {layout!r}: {advice}"
        )
    if sha256 != expected:
        raise FileError(
            f"'{shown(path)}' was altered after it was written: its SHA-256 differs from the one "
            f"in its header; {advice}"
        )
    return tensors, facts


def _json(value: object) -> str:
    """The one text of a value, keys sorted."""
    return json.dumps(value, sort_keys=True)


def _finite(header: Mapping[str, object]) -> str:
    """Its text where it holds no NaN or infinity, which are not JSON."""
    return json.dumps(header, sort_keys=True, allow_nan=False)


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, object] | None) -> str:
    """SHA-256 over the facts and each tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(b"" if facts is None else _json(facts).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
