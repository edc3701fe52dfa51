"""The targets of a pass: read batch by batch, summed, and paired with the rows of layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deepnrc.activations.batches import target_rows
from deepnrc.activations.labels import classes_of, one_hot_rows
from deepnrc.activations.masks import NO_MASKS, Masks
from deepnrc.activations.rows import Rows, axes_of_positions
from deepnrc.errors import DataError
from deepnrc.moments.record import Moments
from deepnrc.passes.model_error import matching_predictions
from deepnrc.passes.options import MeasureOptions
from deepnrc.passes.reading import Reading, plain_reading
from deepnrc.support.text import sizes
from deepnrc.support.undefined import Undefined

__all__ = ["NO_SAMPLES", "Targets"]

NO_SAMPLES = (
    "the loader gave no samples: check that it is not empty, and that it is not a generator that "
    "an earlier loop has used up"
)

_POOLS: dict[int, Callable[..., Tensor]] = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}


class Targets:
    """Makes sense of what a loader gives as targets.

    Attributes:
        rows: Those of the batch at hand, n × t, float64, on the CPU; of each position one row
            where ``per_position``.
        kept: Which of them count, n; None: all.
        reading: Of the axes of the batch at hand.
        per_position: Whether each position of a sample has a target of its own.
        batch_samples: Samples of the batch at hand.
        samples: Rows read so far.
        batches: Batches read so far, the one at hand included.

    Args:
        options: Whose ``task``, ``classes``, ``reduce``, ``targets`` and ``target_dim_axis`` say
            how targets are read.
    """

    def __init__(self, options: MeasureOptions) -> None:
        self._options = options
        self._classify = options.task == "classification"
        self._classes = options.classes
        self._moments: Moments | None = None
        self._grid: tuple[int, ...] = ()
        self._shape: tuple[int, ...] = ()
        self.reading = Reading(1, False)
        self.rows = torch.empty(0, 0)
        self.kept: Tensor | None = None
        self.per_position = False
        self.samples = self.batches = self.batch_samples = 0

    @property
    def dim(self) -> int:
        """Columns of the targets, t; known once a batch was read."""
        return self.rows.shape[1]

    @property
    def batch(self) -> int:
        """Number of the batch at hand, from 0, for messages."""
        return self.batches - 1

    @property
    def needs_classes(self) -> bool:
        """Whether the number of classes is not known yet."""
        return self._classify and self._classes is None

    def find_classes(self, given: Any, predictions: Any, reading: Reading | None = None) -> None:
        """Take the number of classes from a batch: its one-hot rows, else the model's scores."""
        is_labels = np.ndim(given) == 1 or (reading is not None and reading.axis is None)
        self._classes = (
            classes_of(np.ravel(given), predictions) if is_labels else classes_of(given, None)
        )

    def read(self, given: Any, masks: Masks = NO_MASKS, reading: Reading | None = None) -> None:
        """Take in the targets of the next batch.

        Args:
            given: From the loader.
            masks: Of the batch.
            reading: Of its axes; None: as the options say.

        Raises:
            ArgumentError: The options name an axis that the targets do not have.
            DataError: They are not a matrix of numbers, or have other columns than before.
            NonFiniteError: NaN or infinity among them.
        """
        self.reading = reading = reading or self._plain(given)
        self.per_position = reading.per_position
        self._shape = tuple(np.shape(given))
        self.batch_samples = self._shape[0]
        self._grid = reading.grid(self._shape)
        self.kept = None
        mask = masks.of_targets(self._grid) if self.per_position else None
        if mask is not None:
            self.kept = mask.cpu().flatten()
            given = _without_padding(given, reading, self.kept)
        self.rows = rows = self._rows(given, reading)
        if self._moments is not None and rows.shape[1] != self._moments.target_dim:
            raise DataError(
                f"targets of batch {self.batches} have {rows.shape[1]} columns; the batches "
                f"before had {self._moments.target_dim}: yield the same targets in every batch"
            )
        counted = self.counted
        self.samples += len(counted)
        self.batches += 1
        moments = Moments.from_batch(counted[:, :0], counted)
        self._moments = moments if self._moments is None else self._moments.merge(moments)

    def _plain(self, given: Any) -> Reading:
        return plain_reading(
            tuple(np.shape(given)),
            per_position=self._options.reduce == "samples",
            axis=self._options.target_dim_axis,
        )

    @property
    def _cells(self) -> tuple[int, ...]:
        return (self.batch_samples, *self._grid)

    def _rows(self, given: Any, reading: Reading) -> Tensor:
        if self._classes is None:
            arranged = reading.arranged(given)
            return target_rows(arranged, self.batches, per_position=self.per_position)
        if reading.axis is None:  # labels
            flat = given.flatten() if isinstance(given, Tensor) else np.ravel(given)
            return one_hot_rows(flat, self.batches, self._classes)
        return one_hot_rows(
            reading.arranged(given), self.batches, self._classes, per_position=self.per_position
        )

    def predicted(self, predictions: Any) -> Tensor | Undefined:
        """A batch's predictions as a float64 matrix of the targets' shape on the CPU, or why not.

        Predictions of the targets' shape belong to them entry by entry; so do those that have the
        target dimension last.
        """
        shape, t = self._shape, self.dim
        if self.per_position and not self.reading.samples_first:
            return Undefined(
                "the first axis of the model's predictions does not hold the samples: pass "
                "forward= that returns predictions of the targets' shape"
            )
        if isinstance(predictions, Tensor) and self.per_position:
            given, cells = tuple(predictions.shape), self._cells
            if given == shape and not (self._classify and self.reading.axis is None):
                predictions = self.reading.arranged(predictions)
            elif t == 1 and given in (cells, (cells[0], 1, *cells[1:])):
                predictions = predictions.reshape(*cells, 1)
            if predictions.shape == (*cells, t):
                predictions = predictions.reshape(-1, t)
        return matching_predictions(predictions, self.rows)

    @property
    def counted(self) -> Tensor:
        """The rows of the batch at hand that count."""
        return self.rows if self.kept is None else self.rows[self.kept]

    def of_rows(self, rows: Rows) -> Tensor | Undefined:
        """The target of each row of a layer, on the device of the rows; or why they have none."""
        values, device = rows.values, rows.values.device
        if not self.per_position:
            targets = self.rows if rows.samples is None else self.rows[rows.samples.cpu()]
            if len(targets) != len(values):
                return Undefined(
                    f"it gave {len(values)} rows for {self.batch_samples} samples: return the "
                    "number of the sample of each row from reduce= too"
                )
            return targets.to(device)
        if rows.positions is None or rows.samples is None:
            if len(values) == len(self.rows):
                return self.rows.to(device)
            return Undefined(
                f"it has {len(values)} rows in a batch of {self.batch_samples} samples whose "
                f"targets are given at {sizes(self._grid)} positions each"
            )
        grid = rows.grid
        table = self.rows.view(self.batch_samples, *self._grid, self.dim)
        if axes_of_positions(grid) != axes_of_positions(self._grid):
            if self._options.targets != "resample" or len(grid) != len(self._grid):
                hint = ": pass targets='resample'" if len(grid) == len(self._grid) else ""
                return Undefined(
                    f"it has {sizes(grid)} positions, the targets {sizes(self._grid)}{hint}"
                )
            pooled = _POOLS[len(grid)](table.movedim(-1, 1), list(grid))
            table = pooled.movedim(1, -1)
        flat = table.reshape(self.batch_samples, -1, self.dim)
        return flat[rows.samples.cpu(), rows.positions.cpu()].to(device)

    def moments(self) -> Moments:
        """Moments of all targets read; the features are of width 0.

        Raises:
            DataError: There were no samples.
        """
        if self._moments is None or self.samples == 0:
            raise DataError(NO_SAMPLES)
        return self._moments


def _without_padding(given: Any, reading: Reading, kept: Tensor) -> Any:
    """Targets whose padded positions, which may hold anything, repeat one that counts."""
    arranged = torch.as_tensor(reading.arranged(given)).cpu()
    rows = arranged.flatten(0, -2).clone()
    if bool(kept.any()):
        rows[~kept] = rows[kept][0]
    filled = rows.view(arranged.shape)
    return filled[..., 0] if reading.axis is None else filled.movedim(-1, reading.axis)
