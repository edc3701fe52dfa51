"""Load weights from a file into a model; nothing in the file is executed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from deepnrc.errors import FileError

__all__ = ["load_weights"]

_WRAPPERS = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile
_KEYS = ("state_dict", "model_state_dict", "model")  # where training scripts put the weights


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint that holds exactly the weights of a model.

    Args:
        model: Changed in place.
        path: ``.safetensors``, or ``.pt``, ``.pth``, ``.ckpt``, ``.bin``, which are read with
            ``weights_only=True``.

    Raises:
        FileError: The file is missing, damaged, of another kind, or of another model.
    """
    state = _read(path)
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    expected = model.state_dict()
    # Tied weights are stored once in safetensors; any of their names is accepted.
    stored = {expected[name].data_ptr() for name in state if name in expected}
    missing = [
        name
        for name, tensor in expected.items()
        if name not in state and (tensor.data_ptr() not in stored or tensor.numel() == 0)
    ]
    unknown = [name for name in state if name not in expected]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    for problem, names in (
        ("lacks", missing),
        ("holds weights that the model does not have:", unknown),
        ("has other shapes:", shapes),
    ):
        if names:
            listing = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            raise FileError(f"checkpoint '{path}' {problem} {listing}: it does not fit --model")
    model.load_state_dict(state, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileError(f"checkpoint '{path}' is not a file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise FileError(
                f"checkpoint '{path}' is not a complete safetensors file ({error}): it was cut "
                "off or altered"
            ) from error
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
    return _tensors(loaded, path)


def _tensors(loaded: Any, path: Path) -> dict[str, Tensor]:
    for key in _KEYS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(x, Tensor) for x in loaded.values()):
        raise FileError(
            f"checkpoint '{path}' holds no state dict: expected a mapping from names to tensors, "
            f"or one under {', '.join(map(repr, _KEYS))}"
        )
    return dict(loaded)
