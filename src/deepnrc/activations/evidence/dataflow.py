"""Which layers a tensor depends on: followed through every operation of one forward pass.

Autograd would answer the same only where nothing is detached, frozen or run without gradients, as
pretrained backbones often are. So each operation that torch dispatches is watched: its outputs
depend on what its inputs depend on. Dependence is kept for each storage, so that views and
in-place writes share it; what is written into parts of a storage that do not overlap is told apart.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from deepnrc.activations.evidence.regions import Region, apart

__all__ = ["Dataflow", "Origin"]


@dataclass(frozen=True)
class Origin:
    """What a tensor comes from.

    Attributes:
        layers: One bit a layer.
        depth: Most layers one after the other on the way to it.
    """

    layers: int = 0
    depth: int = 0

    def __or__(self, other: "Origin") -> "Origin":
        return Origin(self.layers | other.layers, max(self.depth, other.depth))


_NOTHING = Origin()
_OVERWRITING = (
    torch.ops.aten.copy_.default,
    torch.ops.aten.zero_.default,
    torch.ops.aten.fill_.Scalar,
    torch.ops.aten.fill_.Tensor,
)
_MOST_PARTS = 64  # of a storage; more are no longer told apart


class Dataflow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Context manager that follows dependence; `passed` marks what a layer returned."""

    supports_higher_order_operators = True  # such as flex attention

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: models run eagerly here, and importing the compiler for this takes seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._origins: dict[int, list[tuple[Region | None, Origin]]] = {}
        self._held: dict[int, StorageWeakRef] = {}  # so that no other storage takes its number

    def of(self, value: Any) -> Origin:
        """What the tensors in a nest depend on."""
        origin = _NOTHING
        for tensor in _tensors(value):
            parts = self._origins.get(_storage(tensor), ())
            read = Region.of(tensor) if len(parts) > 1 else None
            for region, part in parts:
                if not apart(region, read):
                    origin = origin | part
        return origin

    def _hold(self, tensor: Tensor) -> None:
        """Keep the number of a storage, though not its memory, when the model frees it."""
        number = _storage(tensor)
        if number > 0 and number not in self._held:
            self._held[number] = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]

    def _join(self, tensor: Tensor, origin: Origin) -> None:
        """Note that what a tensor views also depends on something."""
        self._hold(tensor)
        parts = self._origins.setdefault(_storage(tensor), [])
        region = Region.of(tensor)
        for number, (other, before) in enumerate(parts):
            if other == region:
                parts[number] = (region, before | origin)
                return
        if len(parts) >= _MOST_PARTS:
            for _, before in parts:
                origin = origin | before
            parts[:] = [(None, origin)]
        else:
            parts.append((region, origin))

    def passed(self, number: int, inputs: Any, outputs: Any, *, level: int = 0) -> int:
        """Note that outputs come from a layer's inputs through it; returns the layer's depth.

        Args:
            number: The layer's, from 0.
            inputs: What entered it.
            outputs: What it returned.
            level: Other layers of the same module that come before it.
        """
        before = self.of(inputs)
        depth = before.depth + level
        origin = Origin(before.layers | 1 << number, depth + 1)
        for tensor in _tensors(outputs):
            self._join(tensor, origin)
        return depth

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        given = _tensors((args, kwargs))
        origin = self.of(given)
        written = _written(func, args, kwargs or {})
        views = {_storage(tensor) for tensor in given}
        for tensor in _tensors(outputs):
            if _storage(tensor) not in views:
                self._hold(tensor)
                self._origins[_storage(tensor)] = [(None, origin)]
        for tensor in written:
            if func in _OVERWRITING:
                origin = self.of((args[1:], kwargs))
                self._forget(tensor)
            self._join(tensor, origin)
        return outputs

    def _forget(self, tensor: Tensor) -> None:
        """Drop what the very elements of a tensor depended on."""
        region, parts = Region.of(tensor), self._origins.get(_storage(tensor), [])
        if region is not None and tensor.numel() * tensor.element_size() == _bytes(tensor):
            parts.clear()
        parts[:] = [part for part in parts if part[0] is None or part[0] != region]


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse and nested tensors have none of their own
        return -id(tensor)


def _bytes(tensor: Tensor) -> int:
    return int(tensor.untyped_storage().nbytes())


def _written(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Arguments that the operation writes into."""
    schema = getattr(func, "_schema", None)
    if schema is None or not schema.is_mutable:
        return []
    found = []
    for position, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            found += _tensors(value)
    return found
