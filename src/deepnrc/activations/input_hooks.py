"""Hooks that pass on what enters the layers of a model, and are removed afterwards."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from deepnrc.errors import LayerError

__all__ = ["InputHooks"]


class InputHooks:
    """Context manager that calls a function with each input of some modules.

    The function runs before the module does, so that no in-place operation has changed the tensor
    yet; it must use or copy the tensor, not keep it. On exit, also by an exception, these hooks
    and no others are removed.

    Args:
        modules: Module by layer name.
        receive: Called with (layer name, input tensor) for every call of a module.

    Example:
        >>> import torch
        >>> model, seen = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), []
        >>> with InputHooks({"1": model[1]}, lambda name, x: seen.append((name, tuple(x.shape)))):
        ...     _ = model(torch.zeros(5, 2))
        >>> seen
        [('1', (5, 3))]
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], receive: Callable[[str, Tensor], None]
    ) -> None:
        self._modules = dict(modules)
        self._receive = receive
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "InputHooks":
        try:
            for name, module in self._modules.items():
                handle = module.register_forward_pre_hook(self._hook(name), with_kwargs=True)
                self._handles.append(handle)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def _remove(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            values = [*args[:1], *kwargs.values()]
            features = next((value for value in values if isinstance(value, Tensor)), None)
            if features is None:
                raise LayerError(
                    f"layer '{name}' must be called with a tensor; got none: leave it out with "
                    "layers="
                )
            self._receive(name, features.detach())

        return hook
