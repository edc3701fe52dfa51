"""Which positions of a batch are data and which are padding."""

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError, DataError
from deepnrc.support.undefined import Undefined

__all__ = ["NO_MASKS", "Mask", "Masks", "batch_masks"]

Mask = str | bool | Callable[[Any], Any] | None
"""What ``mask=`` takes: a key of the batch, a function of it, False, or None."""

_USUAL = ("attention_mask", "decoder_attention_mask", "encoder_attention_mask")


@dataclass(frozen=True)
class Masks:
    """The masks of a batch, each samples × positions, true for those that count.

    Attributes:
        found: By key of the batch, or by pattern of layer names.
        by_layer: Whether they are given by pattern of layer names.
        unused: Keys of the batch that look like masks and are not used.
    """

    found: Mapping[str, Tensor] = field(default_factory=dict)
    by_layer: bool = False
    unused: tuple[str, ...] = ()

    def of_layer(
        self, name: str, grid: tuple[int, ...], known: dict[str, str]
    ) -> Tensor | Undefined | None:
        """The mask of a layer's positions; None where all count; or why it cannot be told.

        Args:
            name: Of the layer.
            grid: Sizes of the axes of its positions.
            known: By layer, the key of the only mask that fitted in a batch before; added to.
        """
        if math.prod(grid) == 1:
            return None
        if not self.by_layer:
            fits = self._fitting(grid)
            if len(fits) == 1:
                known.setdefault(name, next(iter(fits)))
            return fits[known[name]] if known.get(name) in fits else self.of_grid(grid)
        key = next((key for key in self.found if fnmatch.fnmatchcase(name, key)), None)
        if key is None:
            return None
        mask = _spread(self.found[key], grid)
        if mask is None:
            width, count = self.found[key].shape[1], math.prod(grid)
            return Undefined(f"mask= has {width} positions for '{key}', its input {count}")
        return mask

    def check(self, layers: Iterable[str]) -> None:
        """Refuse a pattern that matches no layer.

        Raises:
            ArgumentError: There is one.
        """
        names = list(layers)
        for key in self.found if self.by_layer else ():
            if not any(fnmatch.fnmatchcase(name, key) for name in names):
                raise ArgumentError(
                    f"mask= gives a mask for {key!r}, which matches no layer that is measured: "
                    f"there are {', '.join(map(repr, names[:5]))}{', …' * (len(names) > 5)}"
                )

    def _fitting(self, grid: tuple[int, ...]) -> dict[str, Tensor]:
        spreads = {key: _spread(x, grid) for key, x in self.found.items()}
        return {key: x for key, x in spreads.items() if x is not None}

    def of_grid(self, grid: tuple[int, ...]) -> Tensor | Undefined | None:
        """The mask that has these positions."""
        fits = self._fitting(grid)
        first = next(iter(fits.values()), None)
        if first is not None and not all(torch.equal(first, x) for x in fits.values()):
            return Undefined(
                f"{' and '.join(map(repr, fits))} both have its {math.prod(grid)} positions: pass "
                "mask= a function of the batch that returns a mask by layer, such as "
                "{'encoder.*': …, 'decoder.*': …}"
            )
        return first

    def of_targets(self, grid: tuple[int, ...]) -> Tensor | None:
        """The mask of targets that are given at each position of a grid.

        Raises:
            DataError: Several masks have these positions.
        """
        found = self.of_grid(grid)
        if isinstance(found, Undefined):
            raise DataError(f"targets at each position: {found.reason}")
        return found


NO_MASKS = Masks()
"""Where all positions count."""


def batch_masks(mask: Mask, batch: Any, inputs: Any, samples: int, *, each: bool = False) -> Masks:
    """The masks of a batch.

    Args:
        mask: The option; None takes what a mapping holds under ``attention_mask``,
            ``decoder_attention_mask`` and ``encoder_attention_mask``.
        batch: As the loader gave it.
        inputs: Of the model.
        samples: In the batch.
        each: Whether each sample needs a position that counts.

    Raises:
        ArgumentError: There is nothing under the key, or what there is is no mask of positions.
        DataError: No position of some sample counts.
    """
    held = {
        key: value
        for place in (inputs, batch)
        if isinstance(place, Mapping)
        for key, value in place.items()
        if isinstance(key, str)
    }
    by_layer = False
    if mask is False:
        given: dict[str, Any] = {}
    elif callable(mask):
        returned = mask(batch)
        by_layer = isinstance(returned, Mapping)
        given = dict(returned) if by_layer else {"mask": returned}
    elif isinstance(mask, str):
        given = {mask: _under(mask, held)}
    else:
        given = {key: held[key] for key in _USUAL if _has_positions(held.get(key))}
    found = {
        key: _positions(x, key, samples)
        for key, x in given.items()
        if x is not None
    }  # fmt: skip
    for key, one in found.items():
        empty = ~one.any(1)
        if each and samples and bool(empty.any()):
            raise DataError(
                f"mask '{key}' leaves no position of sample {int(torch.nonzero(empty)[0])} of the "
                "batch: drop such samples, or check that it is true for what counts"
            )
    looks = () if callable(mask) else (key for key in held if "mask" in key.lower())
    return Masks(found, by_layer, tuple(key for key in looks if key not in found))


def _under(key: str, held: Mapping[str, Any]) -> Any:
    if key not in held:
        raise ArgumentError(
            f"mask={key!r} is a key of neither the batch nor the inputs: pass a key that they "
            "have, or a function of the batch"
        )
    if key.endswith("key_padding_mask"):
        raise ArgumentError(
            f"mask={key!r} is true for padding, as torch has it: pass mask=lambda batch: "
            f"~batch[{key!r}], which is true for what counts"
        )
    return held[key]


def _has_positions(value: Any) -> bool:
    """Whether a value is a mask of positions, not one of pairs of them, as attention takes."""
    if value is None:
        return False
    shape = tuple(torch.as_tensor(value).shape)
    return len(shape) >= 2 and all(size == 1 for size in shape[1:-1])


def _positions(given: Any, key: str, samples: int) -> Tensor:
    """A mask as samples × positions, true for those that count."""
    mask = torch.as_tensor(given)
    if not _has_positions(mask) or len(mask) not in (1, samples):
        raise ArgumentError(
            f"mask must give samples × positions, here {samples} samples; got shape "
            f"{tuple(mask.shape)} of '{key}': reduce it to these two axes with mask= a function of "
            "the batch"
        )
    mask = mask.reshape(len(mask), -1).expand(samples, -1)
    if mask.dtype == torch.bool or not mask.numel():
        return mask.bool()
    low, high = float(mask.min()), float(mask.max())
    if low < 0.0 < high or math.isnan(low):
        raise ArgumentError(
            f"mask must be true and false, 1 and 0, or added to scores (0 and a large negative "
            f"number); got values from {low:g} to {high:g} of '{key}'"
        )
    if low < 0.0 or (high == 0.0 and mask.is_floating_point()):  # added to scores
        return mask == 0
    return mask != 0


def _spread(mask: Tensor, grid: tuple[int, ...]) -> Tensor | None:
    """A mask for all cells of a grid, one axis of which may be its positions; None: it has none."""
    width = mask.shape[1]
    if math.prod(grid) == width:
        return mask
    axes = [axis for axis, size in enumerate(grid) if size == width]
    if len(axes) != 1:
        return None
    shape = [width if axis == axes[0] else 1 for axis in range(len(grid))]
    return mask.view(len(mask), *shape).expand(len(mask), *grid).flatten(1)
