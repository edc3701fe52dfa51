"""What is said of a model in which no layer can be measured."""

import re

import torch
from torch import nn

from deepnrc.activations.kinds.find import is_packed, own_weights

__all__ = ["nothing_to_measure"]

_SHOWN = 3  # modules
_HIDDEN = re.compile(r"^torch\.(.*\bquantized\b|export\b|fx\.graph_module)")


def nothing_to_measure(model: nn.Module) -> str:
    """What the model holds, and what to do."""
    kind = type(model).__name__
    start = f"{kind} has no weight layer"
    if any(_hides_layers(module) for module in model.modules()):
        return (
            f"{start} (nn.Linear or convolution) that takes hooks; scripted, exported and "
            "quantized models hide theirs: measure the original"
        )
    holding = {
        name: (module, own)
        for name, module in model.named_modules()
        if (own := own_weights(module))
    }
    taking = {
        name: found
        for name, found in holding.items()
        if not isinstance(found[0], nn.Embedding | nn.EmbeddingBag | nn.LayerNorm | nn.RMSNorm)
    }
    if not taking:
        has = "only embeddings and norms" if holding else "no parameter of two axes or more"
        return f"{start} (nn.Linear or convolution): it has {has}, so that there is no matrix"
    listing = [_described(name, *found) for name, found in list(taking.items())[:_SHOWN]]
    more = len(taking) - len(listing)
    module, own = next(iter(taking.values()))
    first, shape = next(iter(own.items()))
    read = f"{first!r}" if len(shape) == 2 else f"lambda layer: layer.{first}.flatten(1)"
    return (
        f"{start} of a known kind. It holds {'; '.join(listing)}"
        f"{f'; and {more} more' if more else ''}. Tell where the p × d matrix is and what enters "
        f"it: deepnrc.register_layer({type(module).__name__}, weight={read}, rows=lambda layer, x: "
        "x), with what the matrix is multiplied with as rows"
    )


def _described(name: str, module: nn.Module, own: dict[str, tuple[int, ...]]) -> str:
    shapes = [f"{key} {' × '.join(map(str, shape))}" for key, shape in own.items()]
    listed = ", ".join(shapes[:_SHOWN]) + (", …" if len(shapes) > _SHOWN else "")
    kind = type(module).__name__
    where = f"'{name}', a {kind}" if name else kind
    return f"{where} ({listed})"


def _hides_layers(module: nn.Module) -> bool:
    kinds = [kind.__module__ for kind in type(module).__mro__]
    return (
        isinstance(module, torch.jit.ScriptModule)
        or is_packed(module)
        or any(map(_HIDDEN.match, kinds))
    )
