"""Hooks that pass on what enters the layers of a model, and are removed afterwards."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from deepnrc.activations.kinds.part import Call, Entering, Padded
from deepnrc.activations.layers import WeightLayer
from deepnrc.errors import LayerError

__all__ = ["InputHooks"]


class InputHooks:
    """Context manager that calls a function with what enters some layers in each call of them.

    Where the call alone shows it, that is before the module runs, so that no in-place operation
    has changed the tensor yet; else just after. The function must use or copy the tensor, not keep
    it. Calls in other threads, which run the model for something else, are passed over. On exit,
    also by an exception, these hooks and no others are removed.

    Attributes:
        busy: Whether it is being found out what enters a layer; modules that are called for that
            call no function.

    Args:
        layers: Whose inputs are wanted.
        receive: Called with (layer name, what enters it) for every call of its module.
        wants: Whether what enters a layer is still wanted, by its name; None: always. Nothing is
            computed for those that are not.

    Example:
        >>> import torch
        >>> from deepnrc.activations.layers import find_layers
        >>> model, seen = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), []
        >>> layers, _ = find_layers(model, "1")
        >>> with InputHooks(layers, lambda name, x: seen.append((name, tuple(x.shape)))):
        ...     _ = model(torch.zeros(5, 2))
        >>> seen
        [('1', (5, 3))]
    """

    def __init__(
        self,
        layers: Iterable[WeightLayer],
        receive: Callable[[str, Any], None],
        wants: Callable[[str], bool] | None = None,
    ) -> None:
        self._by_module: dict[int, list[WeightLayer]] = {}
        for layer in layers:
            self._by_module.setdefault(id(layer.module), []).append(layer)
        self._receive, self._wants = receive, wants or (lambda name: True)
        self._handles: list[RemovableHandle] = []
        self.busy = False
        self._thread = threading.get_ident()

    def __enter__(self) -> "InputHooks":
        try:
            for layers in self._by_module.values():
                self._hook(layers)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def _remove(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _hook(self, layers: Sequence[WeightLayer]) -> None:
        module, parts = layers[0].module, layers[0].parts
        names = {layer.part.suffix: layer.name for layer in layers}

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            assert parts.before is not None
            self._pass_on(names, parts.before, Call(args, kwargs))

        def after(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
        ) -> None:
            assert parts.after is not None
            self._pass_on(names, parts.after, Call(args, kwargs, output))

        if parts.before is not None:
            self._handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        if parts.after is not None:
            self._handles.append(module.register_forward_hook(after, with_kwargs=True))

    def _pass_on(
        self,
        names: dict[str, str],
        entering: Callable[[Call], Iterable[tuple[str, Entering]]],
        call: Call,
    ) -> None:
        if threading.get_ident() != self._thread:
            return
        if self.busy or not any(map(self._wants, names.values())):
            return
        for suffix, found in self._found(next(iter(names.values())), entering, call):
            name = names.get(suffix)
            if name is not None and self._wants(name):
                self._receive(name, _detached(found))

    def _found(
        self, name: str, entering: Callable[[Call], Iterable[tuple[str, Entering]]], call: Call
    ) -> Iterator[tuple[str, Entering]]:
        """What enters each part, found while no hook passes on anything; names the layer."""
        rest = None
        while True:
            self.busy = True
            try:
                rest = iter(entering(call)) if rest is None else rest
                found = next(rest)
            except StopIteration:
                return
            except LayerError as error:
                raise LayerError(f"layer '{name}' {error}") from error
            finally:
                self.busy = False
            yield found


def _detached(entering: Entering) -> Entering:
    if isinstance(entering, Tensor):
        return entering.detach()
    if isinstance(entering, Padded):
        return Padded(entering.values.detach(), entering.kept)
    return entering
