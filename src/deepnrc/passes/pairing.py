"""Which target belongs to which row of a layer: by evidence, not by a count that fits."""

import math
from typing import Any

from torch import Tensor

from deepnrc.activations.evidence.gather import BatchEvidence
from deepnrc.activations.evidence.layout import Glimpse, Layout, find_layout
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.rows import Reduce, Rows, custom_rows, reduced_rows
from deepnrc.support.undefined import Undefined

__all__ = ["Pairing"]


class Pairing:
    """Turns what enters a layer into rows that know their samples.

    Attributes:
        masked: Layers whose rows left out positions.
        positions: Sizes of the axes of positions, by the layer's name.

    Args:
        reduce: The rule.
        evidence: From a part of the first batch.
    """

    def __init__(self, reduce: Reduce, evidence: BatchEvidence) -> None:
        self._reduce, self._evidence = reduce, evidence
        self._layouts: dict[str, list[Layout | Undefined]] = {}
        self.masked: set[str] = set()
        self.positions: dict[str, tuple[int, ...]] = {}

    def rows(
        self,
        layer: WeightLayer,
        activation: Tensor,
        call: int,
        *,
        samples: int,
        batch: Any,
        mask: Tensor | None,
    ) -> Rows | Undefined:
        """Rows of one call of a layer, or why it has none.

        Args:
            layer: Which.
            activation: What enters it.
            call: Number of the call within the batch.
            samples: In the batch.
            batch: As the loader gave it.
            mask: Samples × positions that count; None: all.
        """
        name = layer.name
        if callable(self._reduce):
            return custom_rows(self._reduce, name, activation, layer.feature_dim, batch)
        fits = activation.ndim >= -layer.feature_axis
        if not fits or activation.shape[layer.feature_axis] != layer.feature_dim:
            return Undefined(
                f"it takes {layer.feature_dim} features, but its input has the shape "
                f"{tuple(activation.shape)}"
            )
        layout = self._layout(layer, activation, call, samples)
        if isinstance(layout, Undefined):
            return layout
        features = layout.by_sample(activation, layer.feature_axis)
        if len(features) != samples:
            return Undefined(
                f"its input holds {len(features)} samples in a batch of {samples} targets"
            )
        self.positions[name] = grid = tuple(features.shape[1:-1])
        if mask is not None and tuple(mask.shape) != (samples, math.prod(grid)):
            mask = None
        if mask is not None:
            self.masked.add(name)
            mask = mask.to(features.device)
        return reduced_rows(features, self._reduce, spatial=bool(layer.spatial_axes), mask=mask)

    def grid(
        self, layer: WeightLayer, activation: Tensor, call: int, samples: int
    ) -> tuple[int, ...] | None:
        """Sizes of the axes of positions in a call of a layer; None where they are not known."""
        axis = layer.feature_axis
        if activation.ndim < -axis or activation.shape[axis] != layer.feature_dim:
            return None
        layout = self._layout(layer, activation, call, samples)
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
        self, layer: WeightLayer, activation: Tensor, call: int, samples: int
    ) -> Layout | Undefined:
        known = self._layouts.setdefault(layer.name, [])
        if call >= len(known):
            known.append(self._found(layer, activation, call, samples))
        return known[min(call, len(known) - 1)]

    def _found(
        self, layer: WeightLayer, activation: Tensor, call: int, samples: int
    ) -> Layout | Undefined:
        evidence = self._evidence
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
        found = find_layout(
            Glimpse.of(activation, layer.feature_axis),
            trail.glimpses[call],
            samples=evidence.samples,
            part_samples=evidence.part_samples,
        )
        return found
