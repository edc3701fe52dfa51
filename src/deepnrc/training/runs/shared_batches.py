"""Batches shared among processes: each one's rows, and a loss with the gradients of all."""

from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError
from deepnrc.training.epoch.feed import Feed, ImageFeed
from deepnrc.training.epoch.objective import Objective

__all__ = ["SharedFeed", "SharedLoss"]


class SharedFeed:
    """A feed that gives each process its share of every batch.

    Attributes:
        rows: In all shares of the last batch together.
    """

    def __init__(self, feed: Feed) -> None:
        self._rank, self._size = dist.get_rank(), dist.get_world_size()
        self._feed, self._inputs_are_shared = feed, isinstance(feed, ImageFeed)
        if isinstance(feed, ImageFeed):  # each process reads only its own images
            images = _ImageShare(feed._images, self._rank, self._size)
            self._feed = ImageFeed(images, feed.targets, feed.targets.device)
        self.targets = feed.targets
        self.rows = 0

    def __len__(self) -> int:
        return len(self._feed)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's rows of each batch; none where the batch has fewer rows than processes."""
        mine = slice(self._rank, None, self._size)
        for inputs, targets in self._feed.batches(order, batch_size):
            self.rows = len(targets)
            yield (inputs if self._inputs_are_shared else inputs[mine]), targets[mine]


class _ImageShare:
    """Images of which only this process's share is read."""

    def __init__(self, images: ImageRows, rank: int, size: int) -> None:
        self._images, self._rank, self._size = images, rank, size
        self.shape = images.shape

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        mine = rows[self._rank :: self._size]
        return self._images[mine] if len(mine) else self._images[rows[:1]][:0]


class SharedLoss:
    """An objective whose gradients are those over all shares of a batch.

    Attributes:
        total: Sum of the loss over the rows of this process in the current epoch.

    Raises:
        ArgumentError: The model has batch normalization and is not on a GPU.
    """

    def __init__(self, model: nn.Module, objective: Objective, device: torch.device) -> None:
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            if device.type != "cuda":
                raise ArgumentError(
                    "batch normalization over several processes needs GPUs (PyTorch's "
                    "SyncBatchNorm): choose model.norm = 'layer' or 'none', or one process"
                )
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        # The loss is inside the wrapper, so that model and checkpoints keep their names.
        self._parallel = DistributedDataParallel(_Loss(model, objective))
        self._size = dist.get_world_size()
        self._shares: SharedFeed | None = None
        self.total = torch.zeros((), device=device)

    def begin(self, shares: SharedFeed) -> "SharedLoss":
        """Start an epoch over these shares; returns this object."""
        self._shares, self.total = shares, torch.zeros_like(self.total)
        return self

    def __call__(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and predictions of this process's share, as of an objective."""
        assert self._shares is not None
        loss, predictions = self._parallel(inputs, targets)
        self.total = self.total + loss.detach() * len(targets)
        # The mean over processes, which follows, would give each share the same weight.
        weight = len(targets) * self._size / self._shares.rows
        return loss * weight, predictions


class _Loss(nn.Module):
    """An objective with its model inside, as DistributedDataParallel wraps it."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if len(targets) == 0:  # the mean of nothing is NaN; its gradients must be 0
            predictions = self.model(inputs)
            return predictions.sum(), predictions
        return self.objective(self.model, inputs, targets)
