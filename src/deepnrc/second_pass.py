"""The pass for what needs the means first: rows about their mean, and nearest class means."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.class_moments import ClassMoments
from deepnrc.collection import Agreement, Collection, LayerCollection
from deepnrc.directions import DirectionSums
from deepnrc.errors import DataError
from deepnrc.labels import one_hot_rows
from deepnrc.layers import WeightLayer
from deepnrc.rows import Reduce, feature_rows
from deepnrc.scores import matching_predictions

__all__ = ["SecondPass", "nearest_means"]

_ROWS = 8192  # converted to float64 at a time


def nearest_means(features: Tensor, classes: ClassMoments) -> Tensor:
    """Number of the class whose mean is nearest to each row, the first of equals.

    Args:
        features: n × d, on any device.
        classes: Means of the classes; those that were not seen are never nearest.

    Returns:
        n class numbers.
    """
    seen = classes.seen.to(features.device)
    means = classes.means.to(features.device)[seen]
    center = means.mean(0)  # far from the origin, squares would swamp the distances
    means = means - center
    found = []
    for start in range(0, len(features), _ROWS):
        h = features[start : start + _ROWS].double() - center
        found.append((2 * h @ means.T - means.square().sum(1)).argmax(1))
    return seen[torch.cat(found)] if found else seen[:0]


class SecondPass:
    """Rows about the last layer's mean, or agreement of nearest class means with decisions.

    Args:
        layers: Those of the first pass.
        first: What it gave.
        reduce: Activations to rows, as then.
    """

    def __init__(self, layers: Iterable[WeightLayer], first: Collection, *, reduce: Reduce) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._first = first
        self._reduce = reduce
        self._rows: dict[str, int] = {}
        self._batches = 0
        self._classes: dict[str, ClassMoments] = {}
        self._nearest: dict[str, list[Tensor]] = {}  # of the batch at hand, call by call
        self._agreeing: dict[str, int] = {}
        self._reason = ""
        self._unit: dict[str, DirectionSums] = {}
        for layer in first.layers:
            if layer.classes is not None:
                self._classes[layer.name] = layer.classes
                self._agreeing[layer.name] = 0
                self._rows[layer.name] = 0
        output = first.output_layer
        if first.last_layer == "centred" and output is not None:
            self._unit[output.name] = _about_mean(output)
            self._rows[output.name] = 0

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
        if name in self._unit:
            self._unit[name].add(rows)
        if name in self._classes:
            self._nearest.setdefault(name, []).append(nearest_means(rows, self._classes[name]))

    def end_batch(self, predictions: Any, given: Any) -> None:
        """Hold the nearest means against what the network decided for the batch."""
        if self._classes and not self._reason:
            per_position = self._reduce == "samples" and np.ndim(given) > 2
            classes = self._first.targets.target_dim
            targets = one_hot_rows(given, self._batches, classes, per_position=per_position)
            scores, self._reason = matching_predictions(
                predictions, targets, per_position=per_position
            )
            if scores is not None:
                self._compare(scores.argmax(1))
        self._nearest.clear()
        self._batches += 1

    def _compare(self, decisions: Tensor) -> None:
        for name, calls in self._nearest.items():
            for nearest in calls:
                times = max(len(nearest) // max(len(decisions), 1), 1)
                decided = decisions.repeat_interleave(times).to(nearest.device)
                self._agreeing[name] += int((nearest == decided).sum())

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
        if layer.name in self._unit:
            layer = replace(layer, directions=self._unit[layer.name].result())
        if layer.name in self._classes:
            agreeing = None if self._reason else self._agreeing[layer.name]
            layer = replace(layer, agreement=Agreement(agreeing, self._reason))
        return layer


def _about_mean(layer: LayerCollection) -> DirectionSums:
    assert layer.moments is not None
    assert layer.dtype is not None
    return DirectionSums(
        layer.moments.feature_dim,
        center=layer.moments.feature_mean,
        eps=torch.finfo(layer.dtype).eps,
    )
