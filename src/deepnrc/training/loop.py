"""SGD on data held in memory: momentum, weight decay, ×0.1 at a third and two thirds."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError, DeepNRCError

__all__ = ["Settings", "train"]


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of `train`.

    Attributes:
        epochs: Passes over the data.
        lr: Learning rate before the schedule cuts it.
        weight_decay: The optimiser's, on every parameter.
        momentum: Of SGD.
        batch_size: Samples a step.
        milestones: Shares of the epochs at which the learning rate is multiplied by 0.1.
    """

    epochs: int
    lr: float
    weight_decay: float
    momentum: float = 0.9
    batch_size: int = 128
    milestones: tuple[float, ...] = (1 / 3, 2 / 3)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not self.lr > 0.0:
            raise ArgumentError(f"lr must be above 0; got {self.lr}")
        for name in ("weight_decay", "momentum"):
            if not getattr(self, name) >= 0.0:
                raise ArgumentError(f"{name} must be at least 0; got {getattr(self, name)}")


def train(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    settings: Settings,
    *,
    seed: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Minimise the mean squared error with SGD; the model is changed in place.

    Batches are slices of a permutation drawn anew each epoch from ``seed``; the global generator
    is not touched.

    Args:
        model: N × d → N × t.
        inputs: N × d, on the model's device.
        targets: N × t.
        settings: Hyperparameters.
        seed: Of the order of the samples.
        on_epoch: Called after each epoch with its number from 1 and its mean training loss.

    Returns:
        The mean training loss of each epoch.

    Raises:
        DeepNRCError: The loss is no longer finite.
    """
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        fused=True,  # one kernel for all parameters
    )
    milestones = [max(1, round(share * settings.epochs)) for share in settings.milestones]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    generator = torch.Generator().manual_seed(seed)
    samples, losses = len(inputs), []
    for epoch in range(1, settings.epochs + 1):
        order = torch.randperm(samples, generator=generator).to(inputs.device)
        total = torch.zeros((), device=inputs.device)
        for start in range(0, samples, settings.batch_size):
            batch = order[start : start + settings.batch_size]
            loss = nn.functional.mse_loss(model(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
            optimizer.step()
            total += loss.detach() * len(batch)
        schedule.step()
        losses.append(float(total) / samples)
        if not losses[-1] < float("inf"):
            raise DeepNRCError(
                f"the training loss is {losses[-1]} after epoch {epoch}: lower the learning rate "
                f"(it is {settings.lr:g})"
            )
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses
