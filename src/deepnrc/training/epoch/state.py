"""One epoch of training as a function of everything that changes: the training state."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepnrc.training.epoch.feed import Feed
from deepnrc.training.epoch.mlp_gradients import MLPGradients, has_mlp_gradients
from deepnrc.training.epoch.objective import Objective, mean_squared_error
from deepnrc.training.epoch.optimizer import set_rate
from deepnrc.training.epoch.result import EpochResult, EpochTotals

__all__ = ["TrainingState", "train_epoch"]


@dataclass
class TrainingState:
    """All that changes from step to step: what a checkpoint must hold.

    Attributes:
        model: Its parameters and buffers.
        optimizer: Its moments.
        generator: Of the order of samples; on the CPU.
        epoch: Epochs done.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    epoch: int = 0


def train_epoch(
    state: TrainingState,
    feed: Feed,
    objective: Objective,
    *,
    batch_size: int,
    lr: float,
    clip_norm: float | None = None,
) -> EpochResult:
    """One pass over the data in an order drawn from the state's generator; changes the state.

    The gradients of a plain `MLP` come from `deepnrc.training.epoch.mlp_gradients`, others from
    autograd.

    Args:
        state: Model and optimizer, on the feed's device.
        feed: The training data.
        objective: What is minimized.
        batch_size: Samples per step.
        lr: Learning rate of this epoch.
        clip_norm: Gradients of a larger norm are scaled down to this one.
    """
    model, optimizer = state.model, state.optimizer
    model.train()
    set_rate(optimizer, lr)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    order = torch.randperm(len(feed), generator=state.generator)
    totals = EpochTotals(len(feed), batch_size)
    backward = _gradients(model, objective, feed.targets)
    for inputs, targets in feed.batches(order, batch_size):
        loss, predictions = backward(inputs, targets)
        norm = None
        if clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(parameters, clip_norm)
        elif totals.wants_norm:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        optimizer.step()
        totals.add(loss, norm, predictions, targets)
    state.epoch += 1
    return totals.results()[0]


def _gradients(
    model: nn.Module, objective: Objective, targets: Tensor
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(inputs, targets) → (loss, predictions) that leaves the gradients in the parameters."""
    if objective is mean_squared_error and has_mlp_gradients(model, targets):
        return MLPGradients(model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def backward(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss, predictions = objective(model, inputs, targets)
        for parameter in parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        return loss.detach(), predictions.detach()

    return backward
