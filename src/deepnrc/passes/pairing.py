"""Which target belongs to which row of a layer: by evidence, not by a count that fits."""

import math
from typing import Any

import torch
from torch import Tensor

from deepnrc.activations.evidence.gather import BatchEvidence
from deepnrc.activations.evidence.layout import Glimpse, Layout, alike, find_layout
from deepnrc.activations.kinds.part import Entering, Padded, values_of
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.masks import Masks
from deepnrc.activations.rows import Reduce, Rows, check_owners, custom_rows, reduced_rows
from deepnrc.support.undefined import Undefined

__all__ = ["Pairing"]

_MOST_LOOKS = 3  # at batches, each of which costs a forward pass


class Pairing:
    """Turns what enters a layer into rows that know their samples.

    Attributes:
        masked: Layers whose rows left out positions.
        notes: By layer: of masks that do not fit.
        positions: Sizes of the axes of positions, by the layer's name.
        missed: Whether rows entered a call that was given none in the part, as where samples are
            routed to experts.

    Args:
        reduce: The rule.
        evidence: From a part of a batch.
        before: Of an earlier batch, which did not tell everything; None: this is the first.
    """

    def __init__(
        self, reduce: Reduce, evidence: BatchEvidence, before: "Pairing | None" = None
    ) -> None:
        self._reduce, self._evidence = reduce, evidence
        self._layouts: dict[str, list[Layout | Undefined]] = {}
        self._looks: int = 1 if before is None else before._looks + 1
        self.missed = False
        self.masked: set[str] = set() if before is None else before.masked
        self.notes: dict[str, str] = {} if before is None else before.notes
        self._mask_keys: dict[str, str] = {} if before is None else before._mask_keys
        self.positions: dict[str, tuple[int, ...]] = {} if before is None else before.positions

    def wants_another(self, samples: int) -> bool:
        """Whether a batch of so many samples should be looked at too.

        A single sample does not tell the order of several, nor do rows that are all alike.
        """
        known = (layout for layouts in self._layouts.values() for layout in layouts)
        unsure = any(isinstance(layout, Layout) and not layout.sure for layout in known)
        return unsure and samples > 1 and self._looks < _MOST_LOOKS

    def note(self, name: str, call: int, entering: Entering) -> None:
        """See whether rows enter a call that was given none in the part of the batch."""
        trail = self._evidence.layers.get(name)
        values = values_of(entering)
        filled = values is None or values.numel() > 0
        if filled and (trail is None or call not in trail.filled):
            self.missed |= trail is None or call < trail.calls or not trail.filled

    def unreached(self, name: str) -> bool:
        """Whether the part of the batch gave no row to a call of a layer."""
        trail = self._evidence.layers.get(name)
        return trail is None or len(trail.filled) < trail.calls

    def take_routes(self, evidence: BatchEvidence) -> None:
        """Take in what another batch showed of the path."""
        self._evidence, self.missed = evidence, False

    def rows(
        self,
        layer: WeightLayer,
        entering: Entering,
        call: int,
        *,
        samples: int,
        batch: Any,
        masks: Masks,
    ) -> Rows | Undefined:
        """Rows of one call of a layer, or why it has none.

        Args:
            layer: Which.
            entering: What enters it.
            call: Number of the call within the batch.
            samples: In the batch.
            batch: As the loader gave it.
            masks: Of the batch.
        """
        name = layer.name
        if isinstance(entering, Undefined):
            return entering
        activation = entering.values if isinstance(entering, Padded) else entering
        if callable(self._reduce):
            rows = custom_rows(self._reduce, name, activation, layer.feature_dim, batch)
            check_owners(rows, samples, name)
            return rows
        fits = activation.ndim >= -layer.feature_axis
        if not fits or activation.shape[layer.feature_axis] != layer.feature_dim:
            return Undefined(
                f"it takes {layer.feature_dim} features, but its input has the shape "
                f"{tuple(activation.shape)}"
            )
        layout = self._layout(layer, entering, call, samples)
        if isinstance(layout, Undefined):
            return layout
        features = layout.by_sample(activation, layer.feature_axis)
        if len(features) != samples:
            return Undefined(
                f"its input holds {len(features)} samples in a batch of {samples} targets"
            )
        self.positions[name] = grid = tuple(features.shape[1:-1])
        mask = masks.of_layer(name, grid, self._mask_keys)
        if isinstance(entering, Padded):  # knows its padding, whatever the batch says
            known = mask if isinstance(mask, Tensor) else torch.ones_like(entering.kept)
            mask = entering.kept & known.to(features.device)
        if isinstance(mask, Undefined):
            return mask
        if mask is not None:
            self.masked.add(name)
            mask = mask.to(features.device)
        elif masks.found and math.prod(grid) > 1:
            self.notes[name] = f"no mask has its {math.prod(grid)} positions: all of them count"
        return reduced_rows(features, self._reduce, spatial=bool(layer.spatial_axes), mask=mask)

    def grid(
        self, layer: WeightLayer, entering: Entering, call: int, samples: int
    ) -> tuple[int, ...] | None:
        """Sizes of the axes of positions in a call of a layer; None where they are not known."""
        axis, activation = layer.feature_axis, values_of(entering)
        if activation is None or isinstance(entering, Undefined):
            return None
        if activation.ndim < -axis or activation.shape[axis] != layer.feature_dim:
            return None
        layout = self._layout(layer, entering, call, samples)
        if isinstance(layout, Undefined):
            return None
        return tuple(layout.by_sample(activation, axis).shape[1:-1])

    def key(self, name: str, call: int, calls: str) -> str:
        """Under which name a call of a layer is summed.

        Args:
            name: Of the layer.
            call: Number of the call within the batch.
            calls: ``"pooled"`` or ``"separate"``.
        """
        trail = self._evidence.layers.get(name)
        several = call > 0 or (trail is not None and trail.calls > 1)
        return f"{name}#{call + 1}" if calls == "separate" and several else name

    def _layout(
        self, layer: WeightLayer, entering: Tensor | Padded, call: int, samples: int
    ) -> Layout | Undefined:
        known = self._layouts.setdefault(layer.name, [])
        if call >= len(known):
            known.append(self._found(layer, entering, call, samples))
        found = known[min(call, len(known) - 1)]
        doubtful = isinstance(found, Layout) and not found.sure and samples > 1
        if doubtful and not alike(Glimpse.of(entering, layer.feature_axis)):
            return Undefined(
                "its rows were all alike in the first batches, which does not tell the order of "
                "its samples: shuffle the loader"
            )
        return found

    def _found(
        self, layer: WeightLayer, entering: Tensor | Padded, call: int, samples: int
    ) -> Layout | Undefined:
        evidence = self._evidence
        activation = entering.values if isinstance(entering, Padded) else entering
        if samples == 1 and activation.ndim == -layer.feature_axis:
            return Layout(None)  # a single sample, without an axis for it
        if evidence.reason is not None:
            plain = activation.ndim > -layer.feature_axis and activation.shape[0] == samples
            return (
                Layout(0)
                if plain
                else Undefined(
                    f"its input has the shape {tuple(activation.shape)} for {samples} samples, and "
                    f"{evidence.reason.reason}, so that it cannot be told which axis holds them"
                )
            )
        trail = evidence.layers.get(layer.name)
        if trail is None or call >= len(trail.glimpses):
            return Undefined("it was called more often for the whole batch than for a part of it")
        part = trail.glimpses[call]
        if isinstance(part, Undefined):
            return part
        return find_layout(
            Glimpse.of(entering, layer.feature_axis),
            part,
            samples=evidence.samples,
            order=evidence.order,
        )
