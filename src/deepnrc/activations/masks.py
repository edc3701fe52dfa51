"""Which positions of a batch are data and which are padding."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError

__all__ = ["Mask", "batch_mask", "unused_masks"]

Mask = str | bool | Callable[[Any], Any] | None
"""What ``mask=`` takes: a key of the batch, a function of it, False, or None."""

_USUAL = "attention_mask"


def batch_mask(mask: Mask, batch: Any, inputs: Any) -> Tensor | None:
    """Samples × positions, true for those that count; None: all count.

    Args:
        mask: The option; None takes what a mapping holds under ``attention_mask``.
        batch: As the loader gave it.
        inputs: Of the model.

    Raises:
        ArgumentError: There is nothing under the key, or what there is has no two axes.
    """
    if mask is False:
        return None
    if callable(mask):
        found = mask(batch)
    else:
        key = mask if isinstance(mask, str) else _USUAL
        found = _under(key, inputs, batch)
        if found is None and isinstance(mask, str):
            raise ArgumentError(
                f"mask={mask!r} is a key of neither the batch nor the inputs: pass a key that they "
                "have, or a function of the batch"
            )
    if found is None:
        return None
    tensor = torch.as_tensor(found)
    if tensor.ndim != 2:
        if mask is None:
            return None
        raise ArgumentError(
            f"mask must give samples × positions; got shape {tuple(tensor.shape)}: reduce it to "
            "two axes with mask= a function of the batch"
        )
    return tensor.bool()


def unused_masks(mask: Mask, batch: Any, inputs: Any) -> tuple[str, ...]:
    """Keys of the batch that look like masks and are not used."""
    used = mask if isinstance(mask, str) else None if callable(mask) or mask is False else _USUAL
    keys = [key for x in (batch, inputs) if isinstance(x, Mapping) for key in x]
    looks = [key for key in keys if isinstance(key, str) and "mask" in key.lower() and key != used]
    return () if callable(mask) else tuple(dict.fromkeys(looks))


def _under(key: str, *places: Any) -> Any:
    for place in places:
        if isinstance(place, Mapping) and key in place:
            return place[key]
    return None
