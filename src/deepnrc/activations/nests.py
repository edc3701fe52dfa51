"""Nests of tensors: what a batch is made of, changed leaf by leaf, every container of its type."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

__all__ = ["cast_inputs", "mapped", "to_device"]

Leaf = Callable[[Any], Any]


def mapped(value: Any, leaf: Leaf, special: Leaf | None = None) -> Any:
    """The same nest with a function of each tensor and array in their place.

    Mappings, tuples (with names or without), lists and dataclasses are followed and keep their
    type; anything else stays as it is.

    Args:
        value: The nest; it is not changed.
        leaf: Of a tensor or an array.
        special: Asked first, at every level; ``NotImplemented`` where the usual is to be done.
    """
    if special is not None and (found := special(value)) is not NotImplemented:
        return found

    def again(item: Any) -> Any:
        return mapped(item, leaf, special)

    if isinstance(value, Tensor | np.ndarray):
        return leaf(value)
    if isinstance(value, Mapping):
        return _mapping(value, {key: again(item) for key, item in value.items()})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(again, value))
    if isinstance(value, tuple | list):
        return type(value)(map(again, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(made, field.name, again(getattr(value, field.name)))
        return made
    return value


def to_device(value: Any, device: torch.device) -> Any:
    """A nest with its tensors on a device, and its arrays as tensors there.

    Objects that are none of the usual containers but have ``.to(device)`` move by that.
    """

    def leaf(item: Any) -> Tensor:
        if isinstance(item, np.ndarray):
            return torch.from_numpy(np.array(item)).to(device)
        # A non-blocking copy to the CPU must not be read before it is complete.
        moved: Tensor = item.to(device, non_blocking=device.type != "cpu")
        return moved

    def special(item: Any) -> Any:
        if not _moves_itself(item):
            return NotImplemented
        # Copied, because some change themselves; tuples cannot.
        made: Any = item if isinstance(item, tuple) else copy.copy(item)
        return made.to(device)

    return mapped(value, leaf, special)


def cast_inputs(value: Any, dtype: torch.dtype) -> Any:
    """A nest with its tensors of numbers cast to a dtype; masks and complex ones keep theirs."""

    def leaf(item: Any) -> Any:
        kept = not isinstance(item, Tensor) or item.dtype == torch.bool or item.is_complex()
        return item if kept else item.to(dtype)

    def real(item: Tensor) -> Tensor:
        return item.to(dtype) if item.is_floating_point() else item

    def special(item: Any) -> Any:
        if isinstance(item, PackedSequence):
            return item._replace(data=leaf(item.data))
        if not _moves_itself(item):
            return NotImplemented
        # Whole numbers of such an object are indices, as of a graph's edges.
        return copy.copy(item).apply(real) if hasattr(item, "apply") else item

    return mapped(value, leaf, special)


def _moves_itself(value: Any) -> bool:
    """Whether it is an object of its own kind, with ``.to``; one that wraps a dict is a mapping."""
    plain = isinstance(value, Tensor | dict) or isinstance(getattr(value, "data", None), dict)
    return not plain and callable(getattr(value, "to", None))


def _mapping(value: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """A mapping of the same type; a plain one where its items cannot be set."""
    if type(value) is dict:
        return items
    try:
        made: Any = copy.copy(value)
        for key, item in items.items():
            made[key] = item
    except Exception:  # of a type that we do not know
        return items
    return made
