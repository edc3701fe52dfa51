"""Linear layers: torch's, and those of other libraries, known by name so that none is imported."""

import functools

from torch import Tensor, nn

from deepnrc.activations.kinds.part import Part, Parts, first_tensor, is_matrix

__all__ = ["is_linear", "linear"]

_OUT_IN = ("torch_geometric.nn.dense.linear", "Linear")
_IN_OUT = ("transformers.pytorch_utils", "Conv1D")  # GPT-2's, with its weight in × out


def linear(module: nn.Module) -> Parts | None:
    """``nn.Linear``, torch_geometric's ``Linear`` and transformers' ``Conv1D``."""
    if not is_matrix(getattr(module, "weight", None)):
        return None
    read = functools.partial(getattr, module, "weight")
    bias = functools.partial(_tensor, module, "bias")
    if isinstance(module, nn.Linear) or _is_named(module, *_OUT_IN):
        part = Part("", "linear", read().shape[1], read, bias=bias)
    elif _is_named(module, *_IN_OUT):
        part = Part("", "linear_in_out", read().shape[0], read, lambda weight: weight.T, bias)
    else:
        return None
    return Parts((part,), before=first_tensor)


def is_linear(module: nn.Module) -> bool:
    """Whether it is of a kind of this file, whatever its weight."""
    return isinstance(module, nn.Linear) or any(
        _is_named(module, *name) for name in (_OUT_IN, _IN_OUT)
    )


def _is_named(module: nn.Module, where: str, name: str) -> bool:
    return any(kind.__name__ == name and kind.__module__ == where for kind in type(module).__mro__)


def _tensor(module: nn.Module, name: str) -> Tensor | None:
    value = getattr(module, name, None)
    return value if isinstance(value, Tensor) else None
