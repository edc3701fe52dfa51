"""The pass for what needs the means first: rows about their mean, and nearest class means."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.activations.labels import one_hot_rows
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.rows import Reduce, feature_rows
from deepnrc.errors import DataError
from deepnrc.metrics.class_view import between_classes
from deepnrc.moments.by_class import ClassMoments, nearest_means
from deepnrc.moments.unit_rows import UnitRowSums
from deepnrc.passes.collection import Collection, LayerCollection, SecondLook
from deepnrc.passes.model_error import matching_predictions

__all__ = ["SecondPass"]

_ROWS = 8192  # converted to float64 at a time


class SecondPass:
    """Rows about the last layer's mean, or about class means.

    Args:
        layers: Those of the first pass.
        first: What it gave.
        reduce: Activations to rows, as then.
    """

    def __init__(self, layers: Iterable[WeightLayer], first: Collection, *, reduce: Reduce) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._first = first
        self._reduce = reduce
        self._batches = 0
        self._targets = torch.empty(0, 0)  # of the batch at hand
        self._per_position = False
        self._reason = ""
        self._classes = {x.name: _ClassPart(x.classes) for x in first.layers if x.classes}
        self._unit: UnitRowSums | None = None  # made with the first rows, on their device
        self._centred = first.output_layer if first.last_layer == "centred" else None
        self._rows = dict.fromkeys(self._classes, 0)
        if self._centred is not None:
            self._rows[self._centred.name] = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Layers that are looked at again."""
        return tuple(self._rows)

    def receive(self, name: str, activation: Tensor) -> None:
        """The trace's receiver: rows of one call of one layer."""
        layer = self._layers[name]
        rows = feature_rows(
            name,
            activation,
            feature_dim=layer.feature_dim,
            spatial_axes=layer.spatial_axes,
            reduce=self._reduce,
        )
        if rows.device.type == "mps":  # no float64 there
            rows = rows.cpu()
        self._rows[name] += len(rows)
        if self._centred is not None:
            self._unit = self._unit or _about_mean(self._centred, rows.device)
            self._unit.add(rows)
        if name in self._classes:
            self._classes[name].add(rows, self._targets.argmax(1))

    def start_batch(self, given: Any) -> None:
        """Take in a batch's labels, before the model runs."""
        if self._classes:
            self._per_position = self._reduce == "samples" and np.ndim(given) > 2
            classes = self._first.targets.target_dim
            self._targets = one_hot_rows(
                given, self._batches, classes, per_position=self._per_position
            )

    def end_batch(self, predictions: Any) -> None:
        """Hold the nearest means against what the network decided for the batch."""
        if self._classes and not self._reason:
            scores, self._reason = matching_predictions(
                predictions, self._targets, per_position=self._per_position
            )
            if scores is not None:
                for part in self._classes.values():
                    part.compare(scores.argmax(1))
        for part in self._classes.values():
            part.nearest.clear()
        self._batches += 1

    def finish(self) -> Collection:
        """The first pass's collection with what this one added.

        Raises:
            DataError: The loader did not give as many rows as the first time.
        """
        layers = []
        for layer in self._first.layers:
            if layer.name in self._rows:
                self._check_rows(layer)
                layer = self._added(layer)
            layers.append(layer)
        return replace(self._first, layers=tuple(layers))

    def _check_rows(self, layer: LayerCollection) -> None:
        got = self._rows[layer.name]
        if got != layer.rows:
            raise DataError(
                f"the loader gave layer '{layer.name}' {layer.rows} rows in the first pass and "
                f"{got} in the second: it must yield the same samples each time it is read"
            )

    def _added(self, layer: LayerCollection) -> LayerCollection:
        if self._unit is not None:
            layer = replace(layer, directions=self._unit.result())
        if layer.name in self._classes:
            layer = replace(layer, second_look=self._classes[layer.name].result(self._reason))
        return layer


class _ClassPart:
    """The sums of one layer of a classifier."""

    def __init__(self, classes: ClassMoments) -> None:
        self._classes = classes
        self._directions = between_classes(classes)[1]
        self._spread = torch.zeros(self._directions.shape[1], dtype=torch.float64)
        self._agreeing = 0
        self.nearest: list[Tensor] = []  # of the batch at hand, call by call

    def add(self, rows: Tensor, labels: Tensor) -> None:
        self.nearest.append(nearest_means(rows, self._classes))
        labels = _repeated(labels, len(rows)).to(rows.device)
        means, directions = (x.to(rows.device) for x in (self._classes.means, self._directions))
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            within = (rows[part].double() - means[labels[part]]) @ directions
            self._spread += within.square().sum(0).cpu()

    def compare(self, decisions: Tensor) -> None:
        for nearest in self.nearest:
            decided = _repeated(decisions, len(nearest)).to(nearest.device)
            self._agreeing += int((nearest == decided).sum())

    def result(self, reason: str) -> SecondLook:
        return SecondLook(None if reason else self._agreeing, reason, self._spread)


def _repeated(values: Tensor, rows: int) -> Tensor:
    """One value a row, where each sample gave several rows one after the other."""
    return values.repeat_interleave(max(rows // max(len(values), 1), 1))


def _about_mean(layer: LayerCollection, device: torch.device) -> UnitRowSums:
    assert layer.moments is not None
    assert layer.dtype is not None
    return UnitRowSums(
        layer.moments.feature_dim,
        device=device,
        center=layer.moments.feature_mean,
        eps=torch.finfo(layer.dtype).eps,
    )
