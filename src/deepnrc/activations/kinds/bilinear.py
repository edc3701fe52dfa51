"""Bilinear layers, x₁ᵀ W x₂: linear in the products of the features of both inputs."""

import functools
from collections.abc import Iterable

from torch import Tensor, nn

from deepnrc.activations.kinds.part import Call, Entering, Part, Parts, is_matrix
from deepnrc.errors import LayerError

__all__ = ["MOST_PRODUCTS", "bilinear"]

MOST_PRODUCTS = 8192
"""Largest d₁·d₂ that is measured: moments of more take over half a gibibyte."""


def bilinear(module: nn.Module) -> Parts | None:
    """``nn.Bilinear``; its features are the outer products x₁ ⊗ x₂, d₁·d₂ of them."""
    if not isinstance(module, nn.Bilinear) or not is_matrix(module.weight, 3):
        return None
    width = module.weight[0].numel()
    if width > MOST_PRODUCTS:
        return None
    part = Part(
        "",
        "bilinear",
        width,
        functools.partial(getattr, module, "weight"),
        lambda weight: weight.flatten(1),
        functools.partial(getattr, module, "bias"),
    )
    return Parts((part,), before=_products)


def _products(call: Call) -> Iterable[tuple[str, Entering]]:
    one, other = call.argument(0, "input1"), call.argument(1, "input2")
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        raise LayerError("must be called with two tensors: leave it out with layers=")
    yield "", (one[..., :, None] * other[..., None, :]).flatten(-2)
