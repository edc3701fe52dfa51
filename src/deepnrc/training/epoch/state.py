"""One epoch of training as a function of everything that moves: the training state."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepnrc.training.epoch.by_hand import GradientsByHand, can_be_by_hand
from deepnrc.training.epoch.feed import Feed
from deepnrc.training.epoch.objective import Objective, mean_squared_error

__all__ = ["EpochResult", "TrainingState", "squared_error", "train_epoch"]

_NORMS = 8  # batches an epoch whose gradient norm is taken; each would cost up to a tenth


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


@dataclass(frozen=True, eq=False)
class EpochResult:
    """What an epoch showed.

    Attributes:
        objective: Mean over the samples of the loss that was minimised, penalties included.
        squared_error: Sum over the samples of the squared error of each target, t numbers, of the
            predictions that the steps were made from, so while the weights moved.
        samples: N.
        gradient_norm: Root of the mean squared norm of the gradient of the loss, before any
            clipping, over at most eight batches spread over the epoch.
    """

    objective: float
    squared_error: Tensor
    samples: int
    gradient_norm: float

    @property
    def loss(self) -> float:
        """Mean squared error over all N·t entries."""
        return float(self.squared_error.mean()) / self.samples


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

    The gradients of a plain `MLP` are written out (`deepnrc.training.epoch.by_hand`), others
    autograd's.

    Args:
        state: Model and optimiser, on the feed's device.
        feed: The training data.
        objective: What is minimised.
        batch_size: Samples a step.
        lr: Learning rate of this epoch.
        clip_norm: Gradients of a larger norm are scaled down to this one.
    """
    model, optimizer = state.model, state.optimizer
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = lr
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    order = torch.randperm(len(feed), generator=state.generator)
    losses, norms, sizes = [], [], []
    errors = torch.zeros(feed.targets.shape[1], dtype=torch.float64)
    stride = max(1, len(order) // batch_size // _NORMS)
    pending: list[tuple[Tensor, Tensor]] = []
    backward = _gradients(model, objective, feed.targets)
    for number, (inputs, targets) in enumerate(feed.batches(order, batch_size)):
        loss, predictions = backward(inputs, targets)
        if clip_norm is not None:
            norms.append(nn.utils.clip_grad_norm_(parameters, clip_norm))
        elif number % stride == 0:
            gradients = [p.grad for p in parameters if p.grad is not None]
            norms.append(nn.utils.get_total_norm(gradients))
        optimizer.step()
        losses.append(loss)
        sizes.append(len(targets))
        # Summed up many at a time: in every step it would cost as much as a layer.
        pending.append((predictions, targets))
        if len(pending) == 64:
            errors += _squared_error(pending)
            pending.clear()
    if pending:
        errors += _squared_error(pending)
    state.epoch += 1
    weights = torch.tensor(sizes, dtype=torch.float64)
    objective_mean = (torch.stack(losses).double().cpu() * weights).sum() / weights.sum()
    norm = torch.stack(norms).double().square().mean().sqrt()
    return EpochResult(float(objective_mean), errors, len(feed), float(norm))


def squared_error(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, int]:
    """The squared error of each target, summed over the samples, and their number.

    In evaluation mode, without gradients; the model's mode is put back.
    """
    training = model.training
    model.eval()
    rows, total = 0, torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for inputs, targets in batches:
            total = total + _squared_error([(model(inputs), targets)])
            rows += len(targets)
    model.train(training)
    return total, rows


def _gradients(
    model: nn.Module, objective: Objective, targets: Tensor
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(inputs, targets) → (loss, predictions) that leaves the gradients in the parameters."""
    if objective is mean_squared_error and can_be_by_hand(model, targets):
        return GradientsByHand(model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def backward(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        loss, predictions = objective(model, inputs, targets)
        for parameter in parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
        return loss.detach(), predictions.detach()

    return backward


def _squared_error(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    predictions, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return (predictions.double() - targets.double()).square().sum(0).cpu()
