"""One pass over the data: rows of each layer and the predictions go to the statistics' sums."""

import bisect
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.rows import feature_rows
from deepnrc.errors import DataError, FeatureRangeError, NonFiniteError
from deepnrc.metrics.view import Undefined
from deepnrc.passes.collection import LayerCollection
from deepnrc.passes.model_error import matching_predictions
from deepnrc.passes.options import MeasureOptions
from deepnrc.passes.statistic import Site, Statistic, Sums
from deepnrc.passes.targets import Targets

__all__ = ["Pass"]


class Pass:
    """Feeds statistics while a model runs over the batches of a loader.

    For each batch: `start_batch`, then the model with `receive` as the receiver of its input
    hooks, then `end_batch`.

    Attributes:
        targets: Those read so far.
        paused: Whether what enters the layers is passed over.
        without_sums: Names of the layers that were called but have nothing to sum.

    Args:
        layers: Whose rows are wanted.
        statistics: What is summed.
        options: How activations become rows, and how targets are read.
        before: What the pass before gave, by layer; empty for the first.
        last: Name of the last layer, where it is known.
    """

    def __init__(
        self,
        layers: Sequence[WeightLayer],
        statistics: Sequence[Statistic],
        options: MeasureOptions,
        *,
        before: Mapping[str, LayerCollection] | None = None,
        last: str | None = None,
    ) -> None:
        self.targets = Targets(options)
        self.paused = False
        self.without_sums: set[str] = set()
        self._layers = {layer.name: layer for layer in layers}
        self._statistics, self._reduce = statistics, options.reduce
        self._before, self._last = before or {}, last
        self._seen: dict[str, _Seen] = {}  # in calling order
        self._output: dict[str, Sums] | None = None
        self._unmatched: Undefined | None = None  # from the first batch on without predictions

    def receive(self, name: str, activation: Tensor) -> None:
        """Take in what enters a layer in one call of it."""
        if self.paused or name in self.without_sums:
            return
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
        if name not in self._seen and not self._start(layer, activation, rows):
            return
        seen = self._seen[name]
        seen.note(len(rows), self.targets.batch)
        targets = self.targets.of_rows(name, rows)
        with seen.naming(name):
            for sums in seen.sums.values():
                sums.add(rows, targets)

    def _start(self, layer: WeightLayer, activation: Tensor, rows: Tensor) -> bool:
        """Start a layer's sums; False where it has none."""
        # Only now: normed weights are made anew, sharded ones gathered, just before a call.
        before = self._before.get(layer.name) or LayerCollection.unseen(layer)
        site = Site(
            width=layer.feature_dim,
            target_dim=self.targets.dim,
            outputs=len(before.weight),
            dtype=activation.dtype,
            rows_dtype=rows.dtype,
            device=rows.device,
            is_last=layer.name == self._last,
            earlier=before.results,
        )
        sums = self._started(site, at_output=False)
        if sums:
            self._seen[layer.name] = _Seen(replace(before, dtype=activation.dtype), sums)
        else:
            self.without_sums.add(layer.name)
        return bool(sums)

    def _started(self, site: Site, *, at_output: bool) -> dict[str, Sums]:
        wanted = [x for x in self._statistics if x.at_output is at_output]
        sums = {statistic.name: statistic.start(site) for statistic in wanted}
        return {name: started for name, started in sums.items() if started is not None}

    def start_batch(self, targets: Any) -> None:
        """Take in a batch's targets, before the model runs."""
        self.targets.read(targets)

    def end_batch(self, predictions: Any) -> None:
        """Take in a batch's predictions, after the model ran.

        Raises:
            NonFiniteError: NaN or infinity among the predictions.
            DataError: Their squared errors overflow.
        """
        targets = self.targets
        found = self._unmatched or matching_predictions(
            predictions, targets.rows, per_position=targets.per_position
        )
        if isinstance(found, Undefined):
            self._unmatched = found
        else:
            self._add_predictions(found)
        for seen in self._seen.values():
            for sums in seen.sums.values():
                sums.end_batch(found)

    def _add_predictions(self, predictions: Tensor) -> None:
        if self._output is None:
            t = self.targets.dim
            self._output = self._started(Site(width=t, target_dim=t), at_output=True)
        where = f"the model's predictions for batch {self.targets.batch}"
        if not bool(torch.isfinite(predictions).all()):
            self._blame_features()
            raise NonFiniteError(
                f"{where} hold NaN or infinity: look at that batch's inputs and at the last "
                "layer's weights"
            )
        try:
            for sums in self._output.values():
                sums.add(predictions, self.targets.rows)
        except DataError as error:
            self._blame_features()
            raise DataError(f"{where} {error}") from None

    def _blame_features(self) -> None:
        """Raise for the first layer with non-finite features, if its rows are still gathered."""
        for name, seen in self._seen.items():
            with seen.naming(name):
                for sums in seen.sums.values():
                    sums.result()

    def layers(self) -> tuple[LayerCollection, ...]:
        """What each layer that was called gave, in calling order, with earlier results."""
        return tuple(seen.collection() for seen in self._seen.values())

    def output(self, name: str) -> Any:
        """Result of a statistic of the predictions, or `Undefined` where none matched."""
        return self._unmatched or (self._output or {})[name].result()


class _Seen:
    """A layer that was called: its sums, and in which batch each of its rows came."""

    def __init__(self, before: LayerCollection, sums: dict[str, Sums]) -> None:
        self._before, self.sums = before, sums
        self._rows = self._calls = 0
        self._ends: list[int] = []
        self._batches: list[int] = []

    def note(self, rows: int, batch: int) -> None:
        """So many rows have come in one call in this batch."""
        self._rows += rows
        self._calls += 1
        self._ends.append(self._rows)
        self._batches.append(batch)

    @contextlib.contextmanager
    def naming(self, layer: str) -> Iterator[None]:
        """Add the layer's name and the batch's number to the error of a sum."""
        try:
            yield
        except NonFiniteError as error:
            batch = self._batches[bisect.bisect_right(self._ends, error.row)]
            raise NonFiniteError(
                f"features of layer '{layer}' hold NaN or infinity in batch {batch}: look at that "
                "batch's inputs and at the layers before"
            ) from None
        except FeatureRangeError as error:
            raise FeatureRangeError(f"layer '{layer}': {error}") from None

    def collection(self) -> LayerCollection:
        """What the layer gave."""
        with self.naming(self._before.name):
            results = {name: sums.result() for name, sums in self.sums.items()}
        return replace(
            self._before,
            rows=self._rows,
            calls=self._calls,
            results={**self._before.results, **results},
        )
