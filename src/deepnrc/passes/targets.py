"""The targets of a pass: read batch by batch, summed, and paired with the rows of layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.activations.batches import target_rows
from deepnrc.activations.labels import classes_of, one_hot_rows
from deepnrc.errors import DataError
from deepnrc.moments.record import Moments
from deepnrc.passes.options import MeasureOptions

__all__ = ["Targets"]


class Targets:
    """Makes sense of what a loader gives as targets.

    Attributes:
        rows: Those of the batch at hand, n × t, float64, on the CPU.
        per_position: Whether each position of a sample has a target of its own.
        samples: Rows read so far.
        batches: Batches read so far, the one at hand included.

    Args:
        options: Whose ``task``, ``classes`` and ``reduce`` say how targets are read.
    """

    def __init__(self, options: MeasureOptions) -> None:
        self._classify = options.task == "classification"
        self._classes = options.classes
        self._by_position = options.reduce == "samples"
        self._moments: Moments | None = None
        self.rows = torch.empty(0, 0)
        self.per_position = False
        self.samples = self.batches = 0

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

    def find_classes(self, given: Any, predict: Callable[[], Any]) -> None:
        """Take the number of classes from a batch: its one-hot rows, else the model's scores."""
        self._classes = classes_of(given, predict() if np.ndim(given) == 1 else None)

    def read(self, given: Any) -> None:
        """Take in the targets of the next batch.

        Raises:
            DataError: They are not a matrix of numbers, or have other columns than before.
            NonFiniteError: NaN or infinity among them.
        """
        self.per_position = self._by_position and np.ndim(given) > 2
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
        self.samples += len(rows)
        self.batches += 1
        moments = Moments.from_batch(rows[:, :0], rows)
        self._moments = moments if self._moments is None else self._moments.merge(moments)

    def of_rows(self, layer: str, rows: Tensor) -> Tensor:
        """The target of each row of a layer, on the device of the rows.

        Raises:
            DataError: They do not pair up.
        """
        targets, count = self.rows, len(self.rows)
        if len(rows) != count:
            times, rest = divmod(len(rows), max(count, 1))
            if not self._by_position or self.per_position or rest or not times:
                raise DataError(
                    f"layer '{layer}' gave {len(rows)} feature rows for {count} targets in batch "
                    f"{self.batch}: rows and targets must pair up. If its first axis is not the "
                    "sample, pass reduce= a function of (name, activation); if each position is a "
                    "sample, reduce='samples'; to leave the layer out, layers="
                )
            targets = targets.repeat_interleave(times, 0)
        return targets.to(rows.device)

    def moments(self) -> Moments:
        """Moments of all targets read; the features are of width 0.

        Raises:
            DataError: There were no samples.
        """
        if self._moments is None or self.samples == 0:
            raise DataError(
                "the loader gave no samples: check that it is not empty, and that it is not a "
                "generator that an earlier loop has used up"
            )
        return self._moments
