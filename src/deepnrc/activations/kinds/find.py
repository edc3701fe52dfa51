"""What is measured of a module, whatever its kind, or why nothing is."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize

from deepnrc.activations.kinds.attention import attention
from deepnrc.activations.kinds.bilinear import MOST_PRODUCTS, bilinear
from deepnrc.activations.kinds.convolution import convolution, is_convolution
from deepnrc.activations.kinds.linear import is_linear, linear
from deepnrc.activations.kinds.part import Parts
from deepnrc.activations.kinds.recurrent import recurrent
from deepnrc.activations.kinds.recurrent_cells import recurrent_cell
from deepnrc.activations.kinds.registered import registered
from deepnrc.activations.kinds.wrapper import wrapper

__all__ = ["is_packed", "own_weights", "parts_of", "reason_to_skip"]

_KINDS: tuple[Callable[[nn.Module], Parts | None], ...] = (
    registered,
    linear,
    convolution,
    recurrent,
    recurrent_cell,
    attention,
    bilinear,
)

_LISTS = nn.ParameterList | nn.ParameterDict


def parts_of(module: nn.Module) -> Parts | None:
    """What is measured of a module by itself; None for one without a weight of a known kind."""
    if isinstance(module, torch.jit.ScriptModule):
        return None
    found = next((found for kind in _KINDS if (found := kind(module)) is not None), None)
    return wrapper(module, parts_of) if found is None else found


def own_weights(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of a module's own parameters that may be weights: those of two axes or more.

    Also of those in its lists of parameters, which are never called.
    """
    if isinstance(module, parametrize.ParametrizationList | _LISTS):
        return {}  # a part of its layer's weight; the owner's parameters
    own = dict(module.named_parameters(recurse=False))
    for name, inner in module.named_children():
        if isinstance(inner, _LISTS):
            own |= {f"{name}.{key}": p for key, p in inner.named_parameters(recurse=False)}
    return {name: tuple(p.shape) for name, p in own.items() if p.ndim >= 2}


def is_packed(module: nn.Module) -> bool:
    """Whether it is a linear layer or a convolution whose weight is no tensor of real numbers."""
    return (is_linear(module) or is_convolution(module)) and parts_of(module) is None


def reason_to_skip(module: nn.Module) -> str | None:
    """Why a module without parts is not measured; None where it holds no weight at all."""
    kind = type(module).__name__
    if is_packed(module) or isinstance(getattr(module, "_packed_params", None), nn.Module):
        return f"{kind}: its weight is not a matrix of real numbers (quantized or sharded)"
    own = own_weights(module)
    if not own:
        return None
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return f"{kind}: looks up rows, takes no features"
    if isinstance(module, torch.jit.ScriptModule):
        return f"{kind}: compiled by torch.jit, takes no hooks"
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return f"{kind}: scales each feature by itself"
    if isinstance(module, nn.Bilinear):
        return f"{kind}: has more than {MOST_PRODUCTS} products of features"
    name, shape = next(iter(own.items()))
    sizes = " × ".join(map(str, shape))
    return (
        f"{kind}: it is not known how its {name} ({sizes}) is used: where it is a weight, tell "
        f"with deepnrc.register_layer({kind}, weight=…)"
    )
