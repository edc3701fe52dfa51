"""Training on data in memory, without files, for the demo and small scripts."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepnrc.errors import DeepNRCError
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.feed import TensorFeed
from deepnrc.training.epoch.objective import make_objective
from deepnrc.training.epoch.optimizer import learning_rate, make_optimizer
from deepnrc.training.epoch.state import TrainingState, train_epoch

__all__ = ["check_loss", "train"]


def train(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    config: TrainingConfig,
    *,
    seed: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Minimize the mean squared error; the model is changed in place.

    Batches are slices of a permutation, a new one each epoch, drawn from ``seed``; the global
    generator is not used.

    Args:
        model: N × d → N × t.
        inputs: N × d, on the model's device.
        targets: N × t.
        config: Hyperparameters; its ``device`` is ignored.
        seed: Of the order of the samples.
        on_epoch: Called after each epoch with its number from 1 and its mean training loss.

    Returns:
        The mean training loss of each epoch.

    Raises:
        DeepNRCError: The loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    state = TrainingState(model, make_optimizer(model, config), generator)
    feed = TensorFeed(inputs, targets)
    objective = make_objective(config, model, inputs.device)
    losses = []
    for epoch in range(1, config.epochs + 1):
        result = train_epoch(
            state,
            feed,
            objective,
            batch_size=config.batch_size,
            lr=learning_rate(config, epoch),
            clip_norm=config.clip_norm,
        )
        losses.append(result.loss)
        check_loss(result.objective, epoch, config)
        if on_epoch is not None:
            on_epoch(epoch, result.loss)
    return losses


def check_loss(
    loss: float, epoch: int, config: TrainingConfig, *, what: str = "training loss"
) -> None:
    """Refuse a loss, or another number that shows divergence, that is not finite.

    Raises:
        DeepNRCError: The number is infinite or NaN.
    """
    if not loss < float("inf"):
        raise DeepNRCError(
            f"the {what} is {loss} after epoch {epoch}: lower the learning rate "
            f"(training.lr is {config.lr:g}) or clip the gradients (training.clip_norm)"
        )
