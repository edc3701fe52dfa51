"""Batches of a part of a data set, from memory or from disk, in an order that a seed fixes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.data.source import ImageRows

__all__ = ["ImageSelection", "PartLoader"]


@dataclass(frozen=True, eq=False)
class ImageSelection:
    """Some rows of images that stay on disk, in an order of their own.

    Attributes:
        images: All of them.
        rows: Which, by number; row i of the selection is image ``rows[i]``.
    """

    images: ImageRows
    rows: Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""
        _, channels, height, width = self.images.shape
        return len(self.rows), channels, height, width

    def __len__(self) -> int:
        """Number of images."""
        return len(self.rows)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images of these row numbers, n × c × h × w, float32."""
        return self.images[self.rows[rows]]


@dataclass(frozen=True, eq=False)
class PartLoader:
    """An iterable of (inputs, targets); every pass gives the same batches in the same order.

    For another order in each epoch ask for a loader an epoch, each with its own seed: then a run
    that is taken up again needs to know only the number of its epoch.

    Attributes:
        inputs: n × d in memory, or images on disk; of these the next batch is read in the
            background while the last is used.
        targets: n × t.
        batch_size: Rows a batch; the last may be shorter.
        shuffle: Whether rows are permuted.
        seed: Of the permutation.
    """

    inputs: Tensor | ImageRows
    targets: Tensor
    batch_size: int
    shuffle: bool
    seed: int

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.targets) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass."""
        batches = torch.split(self._order(), self.batch_size)
        if isinstance(self.inputs, Tensor):
            for rows in batches:
                yield self.inputs[rows], self.targets[rows]
            return
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = reader.submit(self.inputs.__getitem__, batches[0])
            for rows, following in zip(batches, (*batches[1:], None), strict=True):
                images = ahead.result()
                if following is not None:
                    ahead = reader.submit(self.inputs.__getitem__, following)
                yield images, self.targets[rows]

    def _order(self) -> Tensor:
        n = len(self.targets)
        if not self.shuffle:
            return torch.arange(n)
        return torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))
