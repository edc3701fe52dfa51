"""Read a state dict from a file of weights; nothing in the file is executed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from deepnrc.errors import FileError

__all__ = ["listed", "read_state"]

_KEYS = ("state_dict", "model_state_dict", "model", "ema", "net")  # where scripts put the weights
_EXTRA = "_extra_state"  # of modules that keep more than tensors; not weights


def read_state(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name.

    Args:
        path: ``.safetensors``, or ``.pt``, ``.pth``, ``.ckpt``, ``.bin``, which are read with
            ``weights_only=True``.
        key: Which entry of a nested checkpoint holds them, dotted for entries of entries; None:
            the usual ones are tried.

    Raises:
        FileError: The file is missing, damaged or of another kind, or has no such entry.
    """
    if not path.is_file():
        raise FileError(f"checkpoint '{path}' is not a file")
    if path.suffix == ".safetensors":
        if key is not None:
            raise FileError(f"checkpoint '{path}' has no entries: leave out --key")
        return _safetensors(path)
    if path.suffix not in (".pt", ".pth", ".ckpt", ".bin"):
        raise FileError(
            f"checkpoint '{path}' must end in .safetensors, or in .pt, .pth, .ckpt or .bin"
        )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise FileError(
            f"checkpoint '{path}' cannot be read as tensors only ({type(error).__name__}): it is "
            "damaged, or holds Python objects, which are never loaded: save model.state_dict()"
        ) from error
    return _tensors(loaded if key is None else _under(key, loaded, path), path)


def listed(names: Iterable[str]) -> str:
    """The first five names."""
    names = list(names)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise FileError(
            f"checkpoint '{path}' is not a complete safetensors file ({error}): it was cut "
            "off or altered"
        ) from error


def _under(key: str, loaded: Any, path: Path) -> Any:
    """What a dotted key leads to; a key with dots of its own is taken as it is."""
    if isinstance(loaded, Mapping) and key in loaded:
        return loaded[key]
    first, _, rest = key.partition(".")
    if rest and isinstance(loaded, Mapping) and first in loaded:
        return _under(rest, loaded[first], path)
    entries = listed(map(str, loaded)) if isinstance(loaded, Mapping) else "no entries"
    raise FileError(f"checkpoint '{path}' has no entry '{key}' for --key; it has {entries}")


def _tensors(loaded: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(loaded, Mapping):
        inner = next((loaded[k] for k in _KEYS if isinstance(loaded.get(k), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    found = {}
    if isinstance(loaded, Mapping):
        found = {name: x for name, x in loaded.items() if not str(name).endswith(_EXTRA)}
    if not found or not all(isinstance(x, Tensor) for x in found.values()):
        entries = f"; it has {listed(map(str, loaded))}" if isinstance(loaded, Mapping) else ""
        raise FileError(
            f"checkpoint '{path}' holds no state dict: expected a mapping from names to tensors, "
            f"or one under {', '.join(map(repr, _KEYS))}{entries}: name another with --key"
        )
    return found
