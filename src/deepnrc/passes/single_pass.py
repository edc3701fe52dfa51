"""One pass over the data: rows of each layer and the predictions go to the statistics' sums."""

import bisect
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from deepnrc.activations.evidence.effective_weight import Applied
from deepnrc.activations.evidence.last_layer import gives_predictions
from deepnrc.activations.kinds.part import Entering
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.masks import NO_MASKS, Masks
from deepnrc.activations.rows import Rows
from deepnrc.errors import DataError, FeatureRangeError, NonFiniteError
from deepnrc.passes.collection import LayerCollection
from deepnrc.passes.options import MeasureOptions
from deepnrc.passes.reading import Reading
from deepnrc.passes.statistic import Site, Statistic, Sums
from deepnrc.passes.targets import Targets
from deepnrc.support.text import counted
from deepnrc.support.undefined import Undefined

__all__ = ["Pass"]


class Pass:
    """Feeds statistics while a model runs over the batches of a loader.

    For each batch: `start_batch`, then `take` for each call of a layer, then `end_batch`.

    Attributes:
        options: How targets are read.
        targets: Those read so far.
        applied: What the layers apply, by name, where the evidence shows it.
        without_sums: Names of the layers that were called but have nothing to sum.
        last: Names of the layers whose W h + b was the prediction for the first batch.

    Args:
        layers: Whose rows are wanted.
        statistics: What is summed.
        options: How targets are read.
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
        self.applied: Mapping[str, Applied] = {}
        self.without_sums: set[str] = set()
        self._layers = {layer.name: layer for layer in layers}
        self._statistics, self.options = statistics, options
        self._before, self._last = before or {}, last
        self._seen: dict[str, _Seen] = {}  # in calling order
        self._samples: list[int] = []  # of each batch
        self._unpaired: dict[str, LayerCollection] = {}
        self._candidates: dict[str, Rows] = {}  # of layers that may be the last
        self.last: list[str] = []
        self._output: dict[str, Sums] | None = None
        self._unmatched: Undefined | None = None  # from the first batch on without predictions

    @property
    def without_predictions(self) -> bool:
        """Whether the model's predictions did not match the targets."""
        return self._unmatched is not None

    @property
    def classify(self) -> bool:
        """Whether targets are classes."""
        return self.options.task == "classification"

    def wants(self, key: str) -> bool:
        """Whether the rows of this name are summed, as far as is known."""
        return key not in self.without_sums and key not in self._unpaired

    def take(
        self, key: str, layer: WeightLayer, entering: Entering, rows: Rows | Undefined
    ) -> None:
        """Take in what enters a layer in one call of it.

        Args:
            key: Under which it is summed.
            layer: Which.
            entering: As it enters.
            rows: Made of it, or why there are none.
        """
        targets = rows if isinstance(rows, Undefined) else self.targets.of_rows(rows)
        if isinstance(rows, Undefined) or isinstance(targets, Undefined):
            assert isinstance(targets, Undefined)
            self._drop(key, layer, targets)
            return
        assert not isinstance(entering, Undefined)
        values = rows.values
        if values.device.type == "mps":  # no float64 there
            values, targets = values.cpu(), targets.cpu()
        if key not in self._seen and not self._start(key, layer, entering.dtype, values):
            return
        seen = self._seen[key]
        seen.note(len(values), self.targets.batch)
        if self.targets.batches == 1 and seen.before.outputs == self.targets.dim:
            self._candidates[key] = replace(rows, values=values.clone())
        with seen.naming(key):
            for sums in seen.sums.values():
                sums.add(values, targets)

    def _drop(self, key: str, layer: WeightLayer, reason: Undefined) -> None:
        """Go on without a layer whose rows have no targets."""
        seen = self._seen.pop(key, None)
        before = seen.before if seen else self._unsummed(key, layer)
        self._unpaired[key] = replace(before, name=key, unpaired=reason, results={})

    def _unsummed(self, key: str, layer: WeightLayer) -> LayerCollection:
        """What is known of a layer before its first row."""
        # Only now: normed weights are made anew, sharded ones gathered, just before a call.
        return self._before.get(key) or replace(
            LayerCollection.unseen(layer, self.applied.get(layer.name)), name=key
        )

    def _start(self, key: str, layer: WeightLayer, dtype: torch.dtype, rows: Tensor) -> bool:
        """Start a layer's sums; False where it has none."""
        before = self._unsummed(key, layer)
        site = Site(
            width=layer.feature_dim,
            target_dim=self.targets.dim,
            outputs=before.outputs,
            dtype=dtype,
            rows_dtype=rows.dtype,
            device=rows.device,
            is_last=key == self._last,
            earlier=before.results,
        )
        sums = self._started(site, at_output=False)
        if sums:
            self._seen[key] = _Seen(replace(before, dtype=dtype), sums)
        else:
            self.without_sums.add(key)
        return bool(sums)

    def _started(self, site: Site, *, at_output: bool) -> dict[str, Sums]:
        wanted = [x for x in self._statistics if x.at_output is at_output]
        sums = {statistic.name: statistic.start(site) for statistic in wanted}
        return {name: started for name, started in sums.items() if started is not None}

    def start_batch(
        self, targets: Any, masks: Masks = NO_MASKS, reading: Reading | None = None
    ) -> None:
        """Take in a batch, before the model runs.

        Args:
            targets: Of its samples.
            masks: Of the batch.
            reading: Of the targets' axes; None: as the options say.
        """
        self.targets.read(targets, masks, reading)
        self._samples.append(self.targets.batch_samples)

    def end_batch(self, predictions: Any) -> None:
        """Take in a batch's predictions, after the model ran.

        Raises:
            NonFiniteError: NaN or infinity among the predictions.
            DataError: Their squared errors overflow.
        """
        targets = self.targets
        found = self._unmatched or targets.predicted(predictions)
        if isinstance(found, Undefined):
            self._unmatched = found
        else:
            found = found if targets.kept is None else found[targets.kept]
            self._find_last(found)
            self._add_predictions(found)
        for seen in self._seen.values():
            for sums in seen.sums.values():
                sums.end_batch(found)

    def _find_last(self, predictions: Tensor) -> None:
        """Compare the predictions for the first batch with what each candidate gives."""
        for key, rows in self._candidates.items():
            if key in self._seen:
                before = self._seen[key].before
                if isinstance(before.weight, Undefined):
                    continue
                eps = torch.finfo(before.weight_dtype).eps
                if gives_predictions(before.weight, before.bias, rows, predictions, eps):
                    self.last.append(key)
        self._candidates.clear()

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
                sums.add(predictions, self.targets.counted)
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
        called = (seen.collection(self._samples) for seen in self._seen.values())
        return (*called, *self._unpaired.values())

    def output(self, name: str) -> Any:
        """Result of a statistic of the predictions, or `Undefined` where none matched."""
        return self._unmatched or (self._output or {})[name].result()


class _Seen:
    """A layer that was called: its sums, and in which batch each of its rows came."""

    def __init__(self, before: LayerCollection, sums: dict[str, Sums]) -> None:
        self.before, self.sums = before, sums
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

    def collection(self, samples: Sequence[int]) -> LayerCollection:
        """What the layer gave; a note tells if it was called for some of the samples only.

        Args:
            samples: Of each batch.
        """
        with self.naming(self.before.name):
            results = {name: sums.result() for name, sums in self.sums.items()}
        return replace(
            self.before,
            rows=self._rows,
            calls=self._calls,
            notes=tuple(dict.fromkeys((*self.before.notes, *self._missing(samples)))),
            results={**self.before.results, **results},
        )

    def _missing(self, samples: Sequence[int]) -> tuple[str, ...]:
        called = set(self._batches)
        count = sum(samples[batch] for batch in called)
        if count == sum(samples):
            return ()
        several = counted(sum(map(bool, samples)), "batch", "batches")
        return (
            f"it was called in {len(called)} of {several}, for {count} of {sum(samples)} samples",
        )
