"""What is measured of a module: its weights, and the rows that enter each in a call."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deepnrc.errors import LayerError
from deepnrc.support.undefined import Undefined

__all__ = [
    "ONE_MATRIX",
    "Call",
    "Entering",
    "Padded",
    "Part",
    "Parts",
    "first_tensor",
    "is_matrix",
    "values_of",
    "whole",
]

ONE_MATRIX = ("linear", "linear_in_out", "convolution")
"""Kinds whose output is their matrix times what enters, and a bias."""


@dataclass(frozen=True)
class Padded:
    """What enters a part for sequences of several lengths, as of a packed sequence.

    Attributes:
        values: Samples × positions × d; anything where there is no data.
        kept: Samples × positions, true where there is data.
    """

    values: Tensor
    kept: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """Of the values."""
        return self.values.dtype


Entering = Tensor | Padded | Undefined
"""What enters a part in one call; undefined where the call does not show it."""


def values_of(entering: Entering) -> Tensor | None:
    """The tensor that enters; None where it is not known."""
    if isinstance(entering, Undefined):
        return None
    return entering.values if isinstance(entering, Padded) else entering


@dataclass(frozen=True)
class Call:
    """One call of a module.

    Attributes:
        args: It was called with.
        kwargs: It was called with.
        output: What it returned; None before it has run.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any = None

    def argument(self, position: int, name: str) -> Any:
        """An argument by position or name; None where it was left out."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name)


@dataclass(frozen=True)
class Part:
    """One weight of a module.

    Attributes:
        suffix: Of its name: ``"weight_ih_l0"``; empty where the module has one weight.
        kind: Readable: ``"linear"``, ``"convolution"``, ``"recurrent_input"``, …
        feature_dim: Width d of what enters it.
        weight: Reads the weight, in its own form, dtype and place; anew each time, as normed
            weights are made anew for each call.
        matrix: Of that weight: p × d.
        bias: Reads what it adds, p; gives None where it adds nothing.
        spatial_axes: Axes behind that of the features in what enters it.
        level: Number of the module's other parts, one after the other, that come before it.
        remedy: What to do where what enters it has another width.
    """

    suffix: str
    kind: str
    feature_dim: int
    weight: Callable[[], Tensor]
    matrix: Callable[[Tensor], Tensor] = lambda weight: weight
    bias: Callable[[], Tensor | None] = lambda: None
    spatial_axes: int = 0
    level: int = 0
    remedy: str = "check what the loader yields"


@dataclass(frozen=True)
class Parts:
    """All that is measured of one module.

    Attributes:
        parts: Its weights.
        before: Gives what enters them, by suffix, before the module runs; None: nothing is known
            by then.
        after: The same when the module has run, of the other parts.
        claimed: Modules inside it whose weights are parts of this one.
        stored: The module inside that holds the weight, where this one wraps it.
    """

    parts: tuple[Part, ...]
    before: Callable[[Call], Iterable[tuple[str, Entering]]] | None = None
    after: Callable[[Call], Iterable[tuple[str, Entering]]] | None = None
    claimed: tuple[nn.Module, ...] = ()
    stored: nn.Module | None = None


def first_tensor(call: Call) -> Iterable[tuple[str, Entering]]:
    """What enters a module of a single part: the first tensor it is called with.

    Raises:
        LayerError: There is none.
    """
    values = [*call.args[:1], *call.kwargs.values()]
    features = next((value for value in values if isinstance(value, Tensor)), None)
    if features is None:
        raise LayerError("must be called with a tensor; got none: leave it out with layers=")
    return [("", features)]


def is_matrix(weight: object, axes: int = 2) -> bool:
    """Whether it is a tensor of real numbers with so many axes or more.

    A quantized weight is packed into integers, a sharded one is flat.
    """
    return isinstance(weight, Tensor) and weight.is_floating_point() and weight.ndim >= axes


def whole(module: nn.Module, attribute: str) -> int:
    """An attribute that is a whole number."""
    value = getattr(module, attribute)
    assert isinstance(value, int)
    return value
