"""Batches of the training and test data: tensors in memory, or images from disk."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from deepnrc.data.access.images import read_ahead
from deepnrc.data.source import ImageRows

__all__ = ["Feed", "ImageFeed", "InOrder", "TensorFeed", "make_feed"]

Batch = tuple[Tensor, Tensor]
_BLOCK = 64  # batches that are gathered at once: one copy for many, in bounded memory


@runtime_checkable
class Feed(Protocol):
    """Rows of inputs and targets in batches, on the device of training."""

    @property
    def targets(self) -> Tensor:
        """All targets, N × t."""

    def __len__(self) -> int:
        """Number of rows, N."""

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """These rows in this order, ``batch_size`` at a time."""


class TensorFeed:
    """Rows in memory, on the device.

    Args:
        inputs: N × d.
        targets: N × t.
    """

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.targets)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """These rows in this order, ``batch_size`` at a time; a lone last row joins the last batch.

        Batch normalization has no variance over one sample.
        """
        sizes = _sizes(len(order), batch_size)
        start = 0
        for first in range(0, len(sizes), _BLOCK):
            block = sizes[first : first + _BLOCK]
            rows = order[start : start + sum(block)].to(self.inputs.device)
            start += sum(block)
            # Slices of a gathered block cost nothing; gathering each batch would.
            yield from zip(
                torch.split(self.inputs[rows], block),
                torch.split(self.targets[rows], block),
                strict=True,
            )


class ImageFeed:
    """Images that are read from disk, the next batch while the current one is used.

    Args:
        images: By row.
        targets: N × t.
        device: Where batches go.
    """

    def __init__(self, images: ImageRows, targets: Tensor, device: torch.device) -> None:
        self._images, self._device = images, device
        self.targets = targets.to(device)

    def __len__(self) -> int:
        return len(self.targets)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """As of `TensorFeed`."""
        batches = torch.split(order, _sizes(len(order), batch_size))
        for rows, images in read_ahead(self._images, batches):
            yield images.to(self._device), self.targets[rows.to(self._device)]


class InOrder:
    """A feed's rows in stored order, as a loader that can be iterated repeatedly.

    Args:
        feed: The rows.
        batch_size: Rows per batch.
        samples: Number of rows, from the first; None is all.
    """

    def __init__(self, feed: Feed, batch_size: int, samples: int | None = None) -> None:
        self._feed, self._batch_size = feed, batch_size
        self._rows = torch.arange(min(samples or len(feed), len(feed)))

    def __len__(self) -> int:
        return len(_sizes(len(self._rows), self._batch_size))

    def __iter__(self) -> Iterator[Batch]:
        return self._feed.batches(self._rows, self._batch_size)


def make_feed(inputs: Tensor | ImageRows, targets: Tensor, device: torch.device) -> Feed:
    """The feed of a part of a data set: tensors are moved to the device, images stay on disk."""
    if isinstance(inputs, Tensor):
        return TensorFeed(inputs.to(device), targets.to(device))
    return ImageFeed(inputs, targets, device)


def _sizes(rows: int, batch_size: int) -> list[int]:
    full, rest = divmod(rows, batch_size)
    sizes = [batch_size] * full
    if rest == 1 and full:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes
