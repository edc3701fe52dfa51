"""Layers that another module wraps, such as PEFT's adapters: the wrapper is what is applied.

It holds the layer as ``base_layer``, adds to its output or scales it, and can be merged into it;
the weight that counts is that of both, and the adapter's own small layers are no steps on the way.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from torch import nn

from deepnrc.activations.kinds.part import ONE_MATRIX, Call, Entering, Parts, first_tensor

__all__ = ["wrapper"]

_INSIDE = "base_layer"


def wrapper(module: nn.Module, parts_of: Callable[[nn.Module], Parts | None]) -> Parts | None:
    """A module that can be merged with the linear layer or convolution it has as ``base_layer``.

    Args:
        module: Any.
        parts_of: Of the layer inside.
    """
    base = getattr(module, _INSIDE, None)
    can_merge = all(callable(getattr(module, name, None)) for name in ("merge", "unmerge"))
    inside = parts_of(base) if can_merge and isinstance(base, nn.Module) else None
    if inside is None or len(inside.parts) != 1 or inside.parts[0].kind not in ONE_MATRIX:
        return None
    suffix = f"{_INSIDE}.{inside.parts[0].suffix}".strip(".")

    def before(call: Call) -> Iterable[tuple[str, Entering]]:
        return [(suffix, entering) for _, entering in first_tensor(call)]

    return Parts(
        (replace(inside.parts[0], suffix=suffix),),
        before=before,
        claimed=tuple(x for x in module.modules() if x is not module),
        stored=inside.stored or base,
    )
