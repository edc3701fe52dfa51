"""Weights and training states as files of tensors with a digest, which also covers the epoch."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from deepnrc.errors import FileError
from deepnrc.storage.tensors import read_tensors, write_tensors
from deepnrc.training.epoch.state import TrainingState

__all__ = ["load_state", "load_weights", "save_state", "save_weights"]

_LAYOUT = "deepnrc-training-2"  # counts up when an older reader would misunderstand the file
_OLDER = "deepnrc-training-1"  # its digest leaves out the epoch


def save_weights(path: Path, model: nn.Module, epoch: int) -> None:
    """Save parameters and buffers by their names in the model, as other programs read them too.

    Raises:
        FileError: The file cannot be written.
    """
    write_tensors(path, _LAYOUT, model.state_dict(), {"epoch": epoch})


def load_weights(path: Path, model: nn.Module) -> int:
    """Load the weights of `save_weights` into a model of the same shapes; returns their epoch.

    Raises:
        FileError: The file is missing, incomplete, altered, or of another model.
    """
    tensors, facts = _read(path)
    _fill(model, tensors, path)
    return int(facts["epoch"])


def save_state(path: Path, state: TrainingState) -> None:
    """Save everything that training resumes from: model, optimizer, order of samples, epoch.

    Raises:
        FileError: The file cannot be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for number, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
    tensors["generator"] = state.generator.get_state()
    facts = {"epoch": state.epoch, "optimizer": type(state.optimizer).__name__}
    write_tensors(path, _LAYOUT, tensors, facts)


def load_state(path: Path, state: TrainingState) -> None:
    """Load a saved state into one of the same model and optimizer, in place.

    Raises:
        FileError: The file is missing, incomplete, altered, or of another model or optimizer.
    """
    tensors, facts = _read(path)
    kind = type(state.optimizer).__name__
    if facts.get("optimizer") != kind:
        raise FileError(
            f"'{path}' is not a training state of {kind}: it has the optimizer "
            f"{facts.get('optimizer')!r}"
        )
    _fill(state.model, _under(tensors, "model."), path)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _under(tensors, "optimizer.").items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = tensor
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
    state.generator.set_state(tensors["generator"])
    state.epoch = int(facts["epoch"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    advice = "restore it from a copy, or start again in another folder"
    return read_tensors(path, _LAYOUT, advice=advice, tensors_only_layout=_OLDER)


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise FileError(f"'{path}' is of another model: {str(error).splitlines()[-1]}") from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
