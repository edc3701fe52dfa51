"""One measurement of a model at a time: hooks and modes of two would mix in silence."""

import contextlib
import threading
from collections.abc import Iterator

from torch import nn

from deepnrc.errors import ArgumentError

__all__ = ["exclusive"]

_LOCK = threading.Lock()
_BUSY: set[int] = set()  # ids of modules, which live as long as their measurement


@contextlib.contextmanager
def exclusive(model: nn.Module) -> Iterator[None]:
    """Hold a model's modules for this measurement.

    Raises:
        ArgumentError: One of them is being measured already.
    """
    modules = {id(module) for module in model.modules()}
    with _LOCK:
        if modules & _BUSY:
            raise ArgumentError(
                "model is being measured already, in another thread or inside its own forward=: "
                "wait for that to end, or measure copy.deepcopy(model)"
            )
        _BUSY.update(modules)
    try:
        yield
    finally:
        with _LOCK:
            _BUSY.difference_update(modules)
