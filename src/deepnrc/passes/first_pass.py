"""The pass that every measurement takes: batches in, moments of every layer out."""

import bisect
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.activations.batches import target_rows
from deepnrc.activations.labels import classes_of, one_hot_rows
from deepnrc.activations.layers import Skipped, WeightLayer
from deepnrc.activations.rows import Reduce, feature_rows
from deepnrc.errors import DataError, FeatureRangeError, LayerError, NonFiniteError
from deepnrc.moments.accumulator import MomentAccumulator, state_bytes
from deepnrc.moments.buffers import Workspaces
from deepnrc.moments.by_class import ClassSums, class_bytes
from deepnrc.moments.record import Moments
from deepnrc.moments.unit_rows import UnitRowSums, unit_row_bytes
from deepnrc.passes.collection import Collection, LayerCollection
from deepnrc.passes.model_error import Scores

__all__ = ["FirstPass"]

_NOT_A_REGRESSION = (
    "scores of classes are no predictions of the one-hot targets (if they are, measure them with "
    "task='regression')"
)


class FirstPass:
    """The mutable state of the pass: accumulators by layer, and the model's error.

    Args:
        layers: To be measured.
        reduce: Activations to rows, as in `deepnrc.measure`.
        precision: ``"mixed"`` or ``"double"``.
        task: ``"regression"`` or ``"classification"``.
        classes: C of a classification; None: as the first batch says.
        last_layer: ``"paper2024"`` sums unit rows of the layers that may be the last one.
    """

    def __init__(
        self,
        layers: Iterable[WeightLayer],
        *,
        reduce: Reduce,
        precision: str,
        task: str,
        classes: int | None,
        last_layer: str | None,
    ) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._weights: dict[str, Tensor] = {}
        self._reduce = reduce
        self._precision = precision
        self._accumulators: dict[str, MomentAccumulator] = {}
        self._workspaces = Workspaces()
        self._dtypes: dict[str, torch.dtype] = {}
        self._calls = dict.fromkeys(self._layers, 0)
        self._row_ends: dict[str, list[int]] = {name: [] for name in self._layers}
        self._batch_of_end: dict[str, list[int]] = {name: [] for name in self._layers}
        self._targets = torch.empty(0, 0)
        self._per_position = False
        self._target_moments: Moments | None = None
        self._task, self._classes, self._last_layer = task, classes, last_layer
        self._class_sums: dict[str, ClassSums] = {}
        self._directions: dict[str, UnitRowSums] = {}
        self._scores = Scores(task, self._blame_features)
        self._peeking = False
        self._samples = 0
        self.batches = 0

    @property
    def target_dim(self) -> int:
        """Columns of the targets, t; known once a batch has started."""
        return self._targets.shape[1]

    @property
    def needs_classes(self) -> bool:
        """Whether the number of classes is still to be found out."""
        return self._task == "classification" and self._classes is None

    def find_classes(self, given: Any, predict: Callable[[], Any]) -> None:
        """Take the number of classes from the first batch: its one-hot rows or the predictions."""
        self._peeking = True  # this forward pass is run again to be measured
        self._classes = classes_of(given, predict() if np.ndim(given) == 1 else None)
        self._peeking = False

    def start_batch(self, given: Any) -> None:
        """Take in a batch's targets, before the model runs."""
        self._per_position = self._reduce == "samples" and np.ndim(given) > 2
        if self._classes is None:
            targets = target_rows(given, self.batches, per_position=self._per_position)
        else:
            targets = one_hot_rows(
                given, self.batches, self._classes, per_position=self._per_position
            )
        if self._target_moments is not None and targets.shape[1] != self.target_dim:
            raise DataError(
                f"targets of batch {self.batches} have {targets.shape[1]} columns; the batches "
                f"before had {self.target_dim}: yield the same targets in every batch"
            )
        self._targets = targets
        moments = Moments.from_batch(targets[:, :0], targets)
        earlier = self._target_moments
        self._target_moments = moments if earlier is None else earlier.merge(moments)

    def receive(self, name: str, activation: Tensor) -> None:
        """The trace's receiver: rows of one call of one layer."""
        if self._peeking:
            return
        layer = self._layers[name]
        rows = feature_rows(
            name,
            activation,
            feature_dim=layer.feature_dim,
            spatial_axes=layer.spatial_axes,
            reduce=self._reduce,
        )
        self._calls[name] += 1
        if rows.device.type == "mps":  # no float64 there
            rows = rows.cpu()
        if name not in self._accumulators:
            # Only now: normed weights are made anew, sharded ones gathered, just before a call.
            self._weights[name] = layer.weight_matrix()
            self._dtypes[name] = activation.dtype
            self._accumulators[name] = MomentAccumulator(
                layer.feature_dim,
                self.target_dim,
                dtype=rows.dtype,
                device=rows.device,
                precision=self._precision,
                workspaces=self._workspaces,
            )
            self._add_optional_sums(name, rows)
        accumulator = self._accumulators[name]
        self._row_ends[name].append(accumulator.rows + len(rows))
        self._batch_of_end[name].append(self.batches)
        targets = self._targets_for(name, rows)
        with _naming(self, name):
            accumulator.add(rows, targets)
        if name in self._class_sums:
            self._class_sums[name].add(rows, targets.argmax(1))
        if name in self._directions:
            self._directions[name].add(rows)

    def _add_optional_sums(self, name: str, rows: Tensor) -> None:
        width = rows.shape[1]
        if self._classes is not None:
            self._class_sums[name] = ClassSums(width, self._classes, device=rows.device)
        if self._last_layer == "paper2024" and len(self._weights[name]) == self.target_dim:
            self._directions[name] = UnitRowSums(width, device=rows.device)

    def _targets_for(self, name: str, rows: Tensor) -> Tensor:
        targets, count = self._targets, len(self._targets)
        if len(rows) != count:
            times, rest = divmod(len(rows), max(count, 1))
            if self._reduce != "samples" or self._per_position or rest or not times:
                raise DataError(
                    f"layer '{name}' gave {len(rows)} feature rows for {count} targets in batch "
                    f"{self.batches}: rows and targets must pair up. If its first axis is not the "
                    "sample, pass reduce= a function of (name, activation); if each position is a "
                    "sample, reduce='samples'; to leave the layer out, layers="
                )
            targets = targets.repeat_interleave(times, 0)
        return targets.to(rows.device)

    def end_batch(self, predictions: Any) -> None:
        """Score the batch's predictions, after the model ran."""
        self._scores.add(
            predictions, self._targets, batch=self.batches, per_position=self._per_position
        )
        self._samples += len(self._targets)
        self.batches += 1

    def _blame_features(self) -> None:
        """Raise for the first layer with non-finite features, if its rows are still gathered."""
        for name, accumulator in self._accumulators.items():
            with _naming(self, name):
                accumulator.result()

    def finish(self, model: str, skipped: tuple[Skipped, ...]) -> Collection:
        """All that the pass gave.

        Raises:
            DataError: There were no samples.
            LayerError: No layer was called.
        """
        if self._target_moments is None or self._samples == 0:
            raise DataError(
                "the loader gave no samples: check that it is not empty, and that it is not a "
                "generator that an earlier loop has used up"
            )
        if not self._accumulators:
            raise LayerError(
                f"no layer of {model} was called during the pass: it computes with its weights "
                "directly (a fused or exported graph); measure the original module"
            )
        called = list(self._accumulators)
        order = called + [name for name in self._layers if name not in self._accumulators]
        return Collection(
            model=model,
            layers=tuple(self._finished(name) for name in order),
            targets=self._target_moments,
            batches=self.batches,
            squared_errors=self._scores.squared_errors,
            squared_error_reason=_NOT_A_REGRESSION if self._classes else self._scores.reason,
            skipped=skipped,
            state_bytes=self.extra_bytes
            + state_bytes((layer.feature_dim for layer in self._layers.values()), self.target_dim),
            reduce=self._reduce if isinstance(self._reduce, str) else _described(self._reduce),
            precision=self._precision,
            task=self._task,
            correct=self._scores.correct,
            correct_reason=self._scores.reason if self._classes else "",
            last_layer=self._last_layer,
        )

    @property
    def extra_bytes(self) -> int:
        """Bound of what is held beside the joint moments; known once a batch has started."""
        widths, size = [layer.feature_dim for layer in self._layers.values()], 0
        if self._classes is not None:
            size += sum(class_bytes(width, self._classes) for width in widths)
        if self._last_layer is not None:
            size += sum(unit_row_bytes(width) for width in widths)  # any may prove to be the last
        return size

    def _finished(self, name: str) -> LayerCollection:
        accumulator = self._accumulators.get(name)
        moments = None
        if accumulator is not None:
            with _naming(self, name):
                moments = accumulator.result()
        layer = self._layers[name]
        return LayerCollection(
            name=name,
            kind=layer.kind,
            weight=self._weights[name] if name in self._weights else layer.weight_matrix(),
            moments=moments,
            dtype=self._dtypes.get(name),
            weight_dtype=layer.weight_dtype,
            rows=0 if accumulator is None else accumulator.rows,
            calls=self._calls[name],
            classes=self._class_sums[name].result() if name in self._class_sums else None,
            directions=self._directions[name].result() if name in self._directions else None,
        )

    def batch_of_row(self, name: str, row: int) -> int:
        """Number of the batch that a row of a layer came in."""
        ends = self._row_ends[name]
        return self._batch_of_end[name][bisect.bisect_right(ends, row)]


@contextlib.contextmanager
def _naming(run: FirstPass, layer: str) -> Iterator[None]:
    """Adds the layer's name and the batch's number to an accumulator's error."""
    try:
        yield
    except NonFiniteError as error:
        batch = run.batch_of_row(layer, error.row)
        raise NonFiniteError(
            f"features of layer '{layer}' hold NaN or infinity in batch {batch}: look at that "
            "batch's inputs and at the layers before"
        ) from None
    except FeatureRangeError as error:
        raise FeatureRangeError(f"layer '{layer}': {error}") from None


def _described(reduce: Reduce) -> str:
    return (
        f"position {reduce}" if isinstance(reduce, int) else getattr(reduce, "__name__", "custom")
    )
