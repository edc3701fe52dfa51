"""What a model keeps beside its weights: lists, dicts, arrays and generators, put back in content.

A forward pass may append to a list, fill a cache or advance a generator of its own. The values of
the modules' attributes are followed through containers and objects of the model's own package;
each container is remembered item by item, each array and tensor by a copy.
"""

import contextlib
import dataclasses
import random
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["contents_kept"]

_BYTES = 1 << 28  # copied of arrays and tensors in all; what goes beyond is only compared
_OBJECTS = 100_000
_OWN = frozenset(vars(nn.Module())) - {"_modules"}  # what torch keeps in each module
_ATOMS = (str, bytes, int, float, complex, bool, type(None), type, nn.Module, nn.Parameter)

Undo = Callable[[], bool | None]
"""Puts an object back; False where it was changed and cannot be."""


@contextlib.contextmanager
def contents_kept(model: nn.Module) -> Iterator[list[str]]:
    """Context manager that puts back what the modules' attributes hold.

    Gives a list of names, filled at the end: of what was changed and is too large to put back.
    """
    kept = _Kept(model.buffers())
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if name not in _OWN:
                kept.add(f"{prefix}.{name}" if prefix else name, value, _package(module))
    changed: list[str] = []
    try:
        yield changed
    finally:
        changed += [name for name, undo in kept.undos if undo() is False]


class _Kept:
    def __init__(self, buffers: Iterable[Tensor]) -> None:
        self.undos: list[tuple[str, Undo]] = []
        # Held, so that no other object gets the same id meanwhile; buffers are kept elsewhere.
        self._seen = {id(buffer): buffer for buffer in buffers}
        self._bytes = 0

    def add(self, name: str, value: Any, package: str) -> None:
        """Remember an object and all that it holds."""
        waiting = [(name, value)]
        while waiting and len(self._seen) < _OBJECTS:
            name, value = waiting.pop()
            if isinstance(value, _ATOMS) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value
            undo, held = self._remembered(value, package)
            if undo is not None:
                self.undos.append((name, undo))
            waiting += [(name + place, x) for place, x in held if not isinstance(x, _ATOMS)]

    def _remembered(self, value: Any, package: str) -> tuple[Undo | None, list[tuple[str, Any]]]:
        """How to put an object back, and what it holds with the place of each."""
        if isinstance(value, Tensor):
            return self._tensor(value), []
        if isinstance(value, np.ndarray):
            return self._array(value), _numbered(value.flat) if value.dtype == object else []
        if isinstance(value, dict):
            kind = OrderedDict if isinstance(value, OrderedDict) else dict
            items = kind(value)
            return partial(_refill, kind, value, items), _named(items)
        if isinstance(value, list | deque | bytearray):
            listed: list[Any] = list(value)
            return partial(_resequence, value, listed), _numbered(listed)
        if isinstance(value, set):
            return partial(_refill, set, value, set(value)), []
        if isinstance(value, tuple | frozenset):
            return None, _numbered(value)
        if (generator := _generator(value)) is not None:
            return generator, []
        known = isinstance(value, types.SimpleNamespace) or dataclasses.is_dataclass(value)
        if known or _package(value) == package:
            return None, [("", getattr(value, "__dict__", None))]
        return None, []

    def _fits(self, size: int) -> bool:
        self._bytes += size
        return self._bytes <= _BYTES

    def _tensor(self, tensor: Tensor) -> Undo | None:
        if tensor.is_meta or tensor.layout != torch.strided or tensor.is_inference():
            return None
        version = tensor._version
        if not self._fits(tensor.nbytes):
            return lambda: tensor._version == version
        content = tensor.detach().clone()

        def undo() -> None:
            if tensor.shape != content.shape or tensor.dtype != content.dtype:
                tensor.data = content
            elif not torch.equal(tensor.detach(), content):
                tensor.detach().copy_(content)

        return undo

    def _array(self, array: NDArray[Any]) -> Undo | None:
        if not array.flags.writeable:
            return None
        if not self._fits(array.nbytes):
            before = hash(array.tobytes())
            return lambda: hash(array.tobytes()) == before
        content = array.copy()

        def undo() -> None:
            if array.shape != content.shape:
                array.resize(content.shape, refcheck=False)
            array[...] = content

        return undo


def _package(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _refill(kind: Any, value: Any, content: Any) -> None:
    same = len(value) == len(content) and all(map(_is, value, content))
    if not same or (kind is not set and any(value[key] is not content[key] for key in content)):
        # By the base class: the rules of a subclass are for what is new.
        kind.clear(value)
        kind.update(value, content)


def _resequence(value: Any, content: list[Any]) -> None:
    if len(value) != len(content) or not all(map(_is, value, content)):
        value.clear()
        value.extend(content)


def _is(one: object, other: object) -> bool:
    return one is other


def _generator(value: Any) -> Undo | None:
    """Of a random generator that the model draws from."""
    if isinstance(value, torch.Generator):
        return partial(_call, value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return partial(_call, value.setstate, value.getstate())
    if isinstance(value, np.random.RandomState):
        return partial(_call, value.set_state, value.get_state())
    if isinstance(value, np.random.Generator):
        return partial(
            _call, partial(setattr, value.bit_generator, "state"), value.bit_generator.state
        )
    return None


def _call(function: Callable[[Any], object], state: Any) -> None:
    function(state)


def _named(items: dict[Any, Any]) -> list[tuple[str, Any]]:
    return [
        (f".{key}" if isinstance(key, str) else f"[{key!r:.30}]", x) for key, x in items.items()
    ]


def _numbered(items: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(f"[{number}]", x) for number, x in enumerate(items) if not isinstance(x, _ATOMS)]
