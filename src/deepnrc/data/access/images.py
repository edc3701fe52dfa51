"""Rows of images on disk: a selection of them, and batches that are read ahead."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest

from torch import Tensor

from deepnrc.data.source import ImageRows

__all__ = ["ImageSelection", "read_ahead"]


@dataclass(frozen=True, eq=False)
class ImageSelection:
    """Some rows of images on disk, in an order of their own.

    Attributes:
        images: All images.
        rows: Row i of the selection is image ``rows[i]``.
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


def read_ahead(
    inputs: Tensor | ImageRows, batches: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of row numbers with their inputs; images are read one batch ahead.

    A thread reads the next batch of images while the current one is used, so at most two are in
    memory. Not a worker process of torch's DataLoader: with CARLA's images in batches of 128 that
    took 0.9 GiB instead of 0.35 and was no faster, because reading spends its time outside of
    Python; it also needs shared memory, of which containers often have only 64 MB.

    Args:
        inputs: n × d in memory, or images on disk.
        batches: Row numbers of each batch.
    """
    if isinstance(inputs, Tensor):
        yield from ((rows, inputs[rows]) for rows in batches)
        return
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(inputs.__getitem__, batches[0])
        for rows, following in zip_longest(batches, batches[1:]):
            images = ahead.result()
            if following is not None:
                ahead = reader.submit(inputs.__getitem__, following)
            yield rows, images
