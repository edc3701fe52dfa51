"""Weights and training states as files of tensors with a digest, which also covers the epoch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from deepnrc.errors import FileError
from deepnrc.storage.atomic import replace_file
from deepnrc.storage.tensors import read_tensors, tensor_bytes
from deepnrc.support.text import shown
from deepnrc.training.epoch.state import TrainingState

__all__ = [
    "check_state",
    "check_weights",
    "load_state",
    "load_weights",
    "save_state",
    "save_weights",
    "state_bytes",
    "weights_bytes",
]

_LAYOUT = "deepnrc-training-2"  # counts up when an older reader would misunderstand the file
_OLDER = "deepnrc-training-1"  # its digest leaves out the epoch
_ADVICE = "restore it from a copy, or start again in another folder"


def save_weights(path: Path, model: nn.Module, epoch: int) -> None:
    """Save parameters and buffers by their names in the model, as other programs read them too.

    Raises:
        FileError: The file cannot be written.
    """
    replace_file(path, weights_bytes(model, epoch))


def weights_bytes(model: nn.Module, epoch: int, run: str = "") -> bytes:
    """The content of the file of `save_weights`, with the identity of the run they belong to."""
    return tensor_bytes(_LAYOUT, model.state_dict(), _facts(epoch, run))


def load_weights(path: Path, model: nn.Module, *, run: str = "", epoch: int | None = None) -> int:
    """Load the weights of `save_weights` into a model of the same shapes; returns their epoch.

    Args:
        path: The file.
        model: Changed in place.
        run: The run that they must be of, where they say so.
        epoch: The one that they must be of.

    Raises:
        FileError: The file is missing, incomplete, altered, or of another model, run or epoch.
    """
    tensors, facts = _read(path)
    found = _checked(facts, path, run)
    if epoch is not None and found != epoch:
        raise FileError(
            f"'{path}' holds the weights of epoch {found}, not of {epoch}: it was renamed or "
            "replaced; restore it from a copy"
        )
    _fill(model, tensors, path)
    return found


def check_weights(
    path: Path, epoch: int, run: str, expected: Mapping[str, Mapping[str, Any]]
) -> None:
    """Read all of a file of weights.

    Args:
        path: The file.
        epoch: The one that it must be of.
        run: The run that it must be of, where it says so.
        expected: ``dtype`` and ``shape`` of each tensor; empty where they are not known.

    Raises:
        FileError: As `load_weights`.
    """
    tensors, facts = _read(path)
    found = _checked(facts, path, run)
    if found != epoch:
        raise FileError(f"'{path}' holds the weights of epoch {found}, not of {epoch}: {_ADVICE}")
    shapes = {
        name: {"dtype": str(x.dtype).removeprefix("torch."), "shape": list(x.shape)}
        for name, x in tensors.items()
    }
    if expected and shapes != expected:
        raise FileError(f"'{path}' holds tensors of other names, types or shapes: {_ADVICE}")


def check_state(path: Path, run: str) -> None:
    """Read all of a state.

    Raises:
        FileError: As `load_state`.
    """
    _, facts = _read(path)
    _checked(facts, path, run)


def save_state(path: Path, state: TrainingState) -> None:
    """Save everything that training resumes from: model, optimizer, order of samples, epoch.

    Raises:
        FileError: The file cannot be written.
    """
    replace_file(path, state_bytes(state))


def state_bytes(state: TrainingState, run: str = "") -> bytes:
    """The content of the file of `save_state`, with the identity of the run that it belongs to."""
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for number, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
    tensors["generator"] = state.generator.get_state()
    optimizer = {"optimizer": type(state.optimizer).__name__}
    return tensor_bytes(_LAYOUT, tensors, {**_facts(state.epoch, run), **optimizer})


def load_state(path: Path, state: TrainingState, *, run: str = "") -> None:
    """Load a saved state into one of the same model and optimizer, in place.

    Args:
        path: The file.
        state: Changed in place.
        run: The run that it must be of, where it says so.

    Raises:
        FileError: The file is missing, incomplete, altered, or of another model, optimizer or run.
    """
    tensors, facts = _read(path)
    epoch = _checked(facts, path, run)
    kind = type(state.optimizer).__name__
    if facts.get("optimizer") != kind:
        raise FileError(
            f"'{path}' is not a training state of {kind}: it has the optimizer "
            f"{shown(repr(facts.get('optimizer')))}: {_ADVICE}"
        )
    _fill(state.model, _under(tensors, "model."), path)
    moments: dict[int, dict[str, Tensor]] = {}
    try:
        for key, tensor in _under(tensors, "optimizer.").items():
            number, _, name = key.partition(".")
            moments.setdefault(int(number), {})[name] = tensor
        state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
        state.generator.set_state(tensors["generator"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise FileError(
            f"'{path}' is not a training state of {kind} ({shown(error)}): {_ADVICE}"
        ) from error
    state.epoch = epoch


def _facts(epoch: int, run: str) -> dict[str, object]:
    return {"epoch": epoch, "run": run} if run else {"epoch": epoch}


def _checked(facts: Mapping[str, Any], path: Path, run: str) -> int:
    """The epoch that a file says it is of; of another run it is refused."""
    epoch = facts.get("epoch")
    if type(epoch) is not int or epoch < 0:
        raise FileError(f"'{path}' does not say of which epoch it is: {_ADVICE}")
    if run and facts.get("run", run) != run:
        raise FileError(f"'{path}' is of another run: {_ADVICE}")
    return epoch


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return read_tensors(path, _LAYOUT, advice=_ADVICE, tensors_only_layout=_OLDER)


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise FileError(f"'{path}' is of another model: {str(error).splitlines()[-1]}") from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
