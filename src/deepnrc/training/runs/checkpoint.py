"""Weights and training states as safetensors: whole and unaltered, or refused; never pickled."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from deepnrc.errors import FileError
from deepnrc.storage.atomic import write_whole
from deepnrc.training.epoch.state import TrainingState

__all__ = ["load_state", "load_weights", "save_state", "save_weights"]

_LAYOUT = "deepnrc-training-1"  # counts up when an older reader would misunderstand the file


def save_weights(path: Path, model: nn.Module, epoch: int) -> None:
    """Parameters and buffers by their names in the model, as other programs read them too.

    Raises:
        FileError: The file cannot be written.
    """
    _save(path, dict(model.state_dict()), epoch)


def load_weights(path: Path, model: nn.Module) -> int:
    """Put the weights of `save_weights` into a model of the same make; returns their epoch.

    Raises:
        FileError: Missing, damaged, altered, or of another model.
    """
    tensors, header = _load(path)
    _fill(model, tensors, path)
    return int(header["epoch"])


def save_state(path: Path, state: TrainingState) -> None:
    """Everything that training goes on from: model, optimiser, order of samples, epoch.

    Raises:
        FileError: The file cannot be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for number, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
    tensors["generator"] = state.generator.get_state()
    _save(path, tensors, state.epoch, optimizer=type(state.optimizer).__name__)


def load_state(path: Path, state: TrainingState) -> None:
    """Put a saved state into one of the same make, in place.

    Raises:
        FileError: Missing, damaged, altered, or of another model or optimiser.
    """
    tensors, header = _load(path)
    kind = type(state.optimizer).__name__
    if header.get("optimizer") != kind:
        raise FileError(
            f"'{path}' is no training state of {kind}: it has {header.get('optimizer')!r}"
        )
    _fill(state.model, _under(tensors, "model."), path)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _under(tensors, "optimizer.").items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = tensor
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
    state.generator.set_state(tensors["generator"])
    state.epoch = int(header["epoch"])


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise FileError(f"'{path}' is of another model: {str(error).splitlines()[-1]}") from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _save(path: Path, tensors: dict[str, Tensor], epoch: int, **facts: str) -> None:
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"layout": _LAYOUT, "epoch": epoch, "sha256": _digest(stored), **facts}
    # Under one key, as safetensors writes several in a random order; and by `save`, because a
    # file mapped into memory on a full disk ends the process with a signal instead of an error.
    write_whole(path, save(stored, metadata={"deepnrc": json.dumps(header, sort_keys=True)}))


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise FileError(f"there is no checkpoint '{path}'")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {}).get("deepnrc", "{}"))
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise FileError(
            f"'{path}' is not a whole safetensors file ({error}): it was cut off or altered; "
            "restore it from a copy, or start again in another folder"
        ) from error
    if header.get("layout") != _LAYOUT:
        raise FileError(f"'{path}' has the layout {header.get('layout')!r}; expected {_LAYOUT!r}")
    if header.get("sha256") != _digest(tensors):
        raise FileError(f"'{path}' was altered after it was written: its SHA-256 differs")
    return tensors, header


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
