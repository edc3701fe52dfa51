"""From a batch to the inputs and targets, and from the inputs to a call of the model."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from deepnrc.errors import DataError

__all__ = ["Forward", "Unpack", "default_forward", "default_unpack", "ignored_keys"]

Unpack = Callable[[Any], tuple[Any, Any]]
"""What ``unpack=`` takes: batch → (inputs, targets)."""

Forward = Callable[[nn.Module, Any], Any]
"""What ``forward=`` takes: (model, inputs) → predictions."""

_TARGETS = ("labels", "label", "targets", "target", "y")
_INPUTS = ("x", "X", "input", "inputs", "features")


def default_unpack(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    """(inputs, targets) of a batch that is a pair, a mapping with labels, or a graph with ``y``.

    The inputs of a mapping are what is left beside its targets; these stay among them where the
    model cannot be called without.

    Args:
        model: That the inputs are for.
        batch: Of the loader.

    Raises:
        DataError: The batch is none of these; the message says what it is and what to pass.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    if isinstance(batch, Mapping):
        found = [key for key in _TARGETS if key in _keys(batch)]
        if len(found) == 1:
            return _beside(model, batch, found[0]), batch[found[0]]
    elif not isinstance(batch, Tensor) and isinstance(getattr(batch, "y", None), Tensor):
        return batch, batch.y
    raise DataError(f"the loader must yield (inputs, targets); got {_described(batch)}")


def default_forward(model: nn.Module, inputs: Any) -> Any:
    """``model(x)``; a mapping is passed as keywords, a tuple or list as several inputs.

    Named tuples are passed whole to a model of one parameter, and so are mappings of which it
    takes no key. A dataclass is passed whole unless the model cannot be called with less than
    two inputs: then its fields are keywords. Keys that the model does not take are left out.

    Raises:
        DataError: The model takes none of the keys of a mapping, and several others.
    """
    kind = _kind(inputs)
    inputs = _by_name(model, inputs)
    if isinstance(inputs, Mapping):
        taken = _parameters(model)
        if taken is None:
            return model(**inputs)
        known = {key: value for key, value in inputs.items() if key in taken}
        if known:
            return model(**known)
        if len(taken) == 1:
            return model(inputs)
        raise DataError(
            f"the model takes {', '.join(taken)}, but the inputs are a {kind} "
            f"{', '.join(map(repr, _keys(inputs)))}: pass unpack= that names them so, or forward="
        )
    if hasattr(inputs, "_fields") and len(_parameters(model) or ()) == 1:
        return model(inputs)
    if isinstance(inputs, tuple | list) and not isinstance(inputs, PackedSequence):
        return model(*inputs)
    return model(inputs)


def ignored_keys(model: nn.Module, inputs: Any) -> tuple[str, ...]:
    """Keys of inputs passed as keywords that `default_forward` leaves out."""
    taken = _parameters(model)
    inputs = _by_name(model, inputs)
    keys = _keys(inputs) if isinstance(inputs, Mapping) else []
    if taken is None or not any(key in taken for key in keys):
        return ()
    return tuple(str(key) for key in keys if key not in taken)


def _kind(inputs: Any) -> str:
    mapping = isinstance(inputs, Mapping)
    return "mapping with the keys" if mapping else f"{type(inputs).__name__} with the fields"


def _by_name(model: nn.Module, inputs: Any) -> Any:
    """A dataclass for a model that cannot be called with it alone as a mapping of its fields."""
    if isinstance(inputs, Mapping) or not dataclasses.is_dataclass(inputs):
        return inputs
    defaults = (_parameters(model) or {}).values()
    if sum(default is inspect.Parameter.empty for default in defaults) < 2:
        return inputs
    return {field.name: getattr(inputs, field.name) for field in dataclasses.fields(inputs)}


def _keys(mapping: Mapping[Any, Any]) -> list[Any]:
    """By ``keys()``: a tensordict iterates over its samples."""
    return list(mapping.keys())


def _beside(model: nn.Module, batch: Mapping[Any, Any], targets: str) -> Any:
    """What a mapping holds beside the targets; a single input that is only called so by itself."""
    taken = _parameters(model)
    if taken is not None and taken.get(targets) is inspect.Parameter.empty:
        return batch
    rest = {key: value for key, value in batch.items() if key != targets}
    (only,) = rest if len(rest) == 1 else (None,)
    unnamed = only in _INPUTS and only not in (taken or {}) and len(taken or "x") == 1
    return rest[only] if unnamed else rest


def _parameters(model: nn.Module) -> dict[str, Any] | None:
    """Names of what a model takes and their defaults; None where it takes any keyword."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # such as of a scripted module
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return None if several else {parameter.name: parameter.default for parameter in parameters}


def _described(batch: Any) -> str:
    """What a batch is, and an ``unpack=`` that would fit."""
    if isinstance(batch, Mapping):
        keys = ", ".join(map(repr, _keys(batch)))
        both = [key for key in _TARGETS if key in _keys(batch)]
        which = f", of which {' and '.join(map(repr, both))} may be the targets" if both else ""
        example = "unpack=lambda batch: (batch['x'], batch['y'])"
        return f"a mapping with the keys {keys}{which}: pass {example}"
    if isinstance(batch, tuple | list):
        example = "unpack=lambda batch: ((batch[0], batch[1]), batch[-1])"
        return f"a {type(batch).__name__} of {len(batch)}: pass {example}"
    got = f"a {type(batch).__name__}"
    if isinstance(batch, Tensor):
        got += f" of shape {tuple(batch.shape)}"
        return f"{got}: pass (X, y) as a tuple if it is all of the data, or unpack="
    if dataclasses.is_dataclass(batch):
        names = ", ".join(field.name for field in dataclasses.fields(batch))
        got += f" with the fields {names}"
    return f"{got}: pass unpack=lambda batch: (inputs, targets)"
