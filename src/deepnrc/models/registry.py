"""Networks by the name that a configuration gives, open to users' own."""

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from deepnrc.models.kinds import KINDS
from deepnrc.support.registry import Registry

__all__ = ["NETWORKS", "register"]

Make = Callable[..., nn.Module]
_Make = TypeVar("_Make", bound=Make)

NETWORKS: Registry[Make] = Registry("model", "deepnrc.models", Callable, KINDS)
"""Functions as described in `register`, by name."""


def register(name: str) -> Callable[[_Make], _Make]:
    """Decorate a function that makes a network, so that experiments can ask for it.

    The function is called with the shape of one sample, such as ``(d,)`` or ``(channels, height,
    width)``, the target dimension t, and its options by keyword; it returns a module that maps
    N × shape to N × t. Its keyword-only parameters are the keys of ``[model]``: they are checked
    against their annotations, and those without a default must be given. Any other key is refused
    unless the function takes ``**options``. Initial weights are drawn from torch's global
    generator, which is at the experiment's seed during the call.

    A decorated function is known in this process. Other processes, such as those of a sweep or
    ``deepnrc measure RUN``, find the functions that an installed package offers as entry points of
    the group ``deepnrc.models``.

    Args:
        name: ``kind`` in the table ``[model]``.

    Raises:
        ArgumentError: The name is taken.

    Example:
        >>> @register("linear-doctest")
        ... def linear(sample_shape, target_dim, *, bias: bool = True):
        ...     return nn.Linear(sample_shape[0], target_dim, bias=bias)
        >>> NETWORKS.unregister("linear-doctest")
    """

    def add(make: _Make) -> _Make:
        NETWORKS.register(name, make)
        return make

    return add
