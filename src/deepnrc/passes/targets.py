"""The targets of a pass: read batch by batch, summed, and paired with the rows of layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deepnrc.activations.batches import target_rows
from deepnrc.activations.labels import classes_of, one_hot_rows
from deepnrc.activations.rows import Rows
from deepnrc.errors import DataError
from deepnrc.moments.record import Moments
from deepnrc.passes.options import MeasureOptions
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

    def find_classes(self, given: Any, predictions: Any) -> None:
        """Take the number of classes from a batch: its one-hot rows, else the model's scores."""
        self._classes = classes_of(given, predictions if np.ndim(given) == 1 else None)

    def read(self, given: Any, mask: Tensor | None = None) -> None:
        """Take in the targets of the next batch.

        Args:
            given: From the loader.
            mask: Samples × positions that count; None: all.

        Raises:
            DataError: They are not a matrix of numbers, or have other columns than before.
            NonFiniteError: NaN or infinity among them.
        """
        given = self._arranged(given)
        self.per_position = self._options.reduce == "samples" and np.ndim(given) > 2
        if self._classes is None:
            rows = target_rows(given, self.batches, per_position=self.per_position)
        else:
            rows = one_hot_rows(given, self.batches, self._classes, per_position=self.per_position)
        if self._moments is not None and rows.shape[1] != self.dim:
            raise DataError(
                f"targets of batch {self.batches} have {rows.shape[1]} columns; the batches "
                f"before had {self.dim}: yield the same targets in every batch"
            )
        self.rows = rows
        self.batch_samples = int(np.shape(given)[0])
        self._grid = tuple(np.shape(given)[1:-1]) if self.per_position else ()
        self.kept = None
        if self.per_position and mask is not None and mask.numel() == len(rows):
            self.kept = mask.cpu().flatten()
        counted = self.counted
        self.samples += len(counted)
        self.batches += 1
        moments = Moments.from_batch(counted[:, :0], counted)
        self._moments = moments if self._moments is None else self._moments.merge(moments)

    @property
    def counted(self) -> Tensor:
        """The rows of the batch at hand that count."""
        return self.rows if self.kept is None else self.rows[self.kept]

    def _arranged(self, given: Any) -> Any:
        """Targets with their dimension last, as the options say."""
        axis = self._options.target_dim_axis
        if axis is not None and np.ndim(given) > 2:
            if isinstance(given, Tensor):
                return given.movedim(axis, -1)
            return np.moveaxis(np.asarray(given), axis, -1)
        return given

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
                f"targets are given at {_grid(self._grid)} positions each"
            )
        grid = rows.grid
        table = self.rows.view(self.batch_samples, *self._grid, self.dim)
        if grid != self._grid:
            if self._options.targets != "resample" or len(grid) != len(self._grid):
                hint = ": pass targets='resample'" if len(grid) == len(self._grid) else ""
                return Undefined(
                    f"it has {_grid(grid)} positions, the targets {_grid(self._grid)}{hint}"
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


def _grid(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes)) or "no"
