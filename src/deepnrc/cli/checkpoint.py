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

_COMPILED = "_orig_mod."  # of torch.compile, also around a single block
_COUNTER = "n_averaged"  # of torch's AveragedModel
_KEYS = ("state_dict", "model_state_dict", "model", "ema", "net")  # where scripts put the weights


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint that holds exactly the weights of a model.

    Args:
        model: Changed in place.
        path: ``.safetensors``, or ``.pt``, ``.pth``, ``.ckpt``, ``.bin``, which are read with
            ``weights_only=True``.

    Raises:
        FileError: The file is missing, damaged, of another kind, or of another model.
    """
    expected = model.state_dict()
    state = _without_prefix(_read(path), expected)
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
    if missing and unknown:
        raise FileError(
            f"checkpoint '{path}' holds {_listed(unknown)} where the model has {_listed(missing)}: "
            "it does not fit --model"
        )
    for problem, names in (
        ("lacks", missing),
        ("holds weights that the model does not have:", unknown),
        ("has other shapes:", shapes),
    ):
        if names:
            raise FileError(
                f"checkpoint '{path}' {problem} {_listed(names)}: it does not fit --model"
            )
    model.load_state_dict(state, strict=False)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _without_prefix(state: dict[str, Tensor], expected: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names as the model has them: without what wrappers and trainers put before each of them."""
    own = {name.replace(_COMPILED, ""): name for name in expected}
    found = {name.replace(_COMPILED, ""): tensor for name, tensor in state.items()}
    first = next(iter(own), "")
    prefixes = [name.removesuffix(first) for name in found if name.endswith(first)]
    fitting = [p for p in prefixes if all(p + name in found for name in own)]
    prefix = min(fitting, key=len, default="")
    names = {name: name.removeprefix(prefix) for name in found if name != _COUNTER}
    return {own.get(short, short): found[name] for name, short in names.items()}


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
    while isinstance(loaded, Mapping):
        inner = next((loaded[k] for k in _KEYS if isinstance(loaded.get(k), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, Mapping) or not all(isinstance(x, Tensor) for x in loaded.values()):
        raise FileError(
            f"checkpoint '{path}' holds no state dict: expected a mapping from names to tensors, "
            f"or one under {', '.join(map(repr, _KEYS))}"
        )
    return dict(loaded)
