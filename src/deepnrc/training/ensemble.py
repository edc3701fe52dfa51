"""Many small networks trained at once on data in memory, without files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.ensemble import Ensemble
from deepnrc.training.epoch.feed import TensorFeed
from deepnrc.training.epoch.loop import check_loss
from deepnrc.training.epoch.members import check_configs
from deepnrc.training.epoch.objective import make_objective
from deepnrc.training.epoch.optimizer import learning_rate, make_optimizer
from deepnrc.training.epoch.state import TrainingState

__all__ = ["MemberResult", "train_together"]


@dataclass(frozen=True)
class MemberResult:
    """What became of one member.

    Attributes:
        losses: Mean training loss of each epoch; not finite from the epoch on that diverged.
        error: Why its weights are of no use; None if all went well.
    """

    losses: tuple[float, ...]
    error: DeepNRCError | None


def train_together(
    models: Sequence[nn.Module],
    inputs: Tensor,
    targets: Tensor,
    configs: Sequence[TrainingConfig],
    *,
    seeds: Sequence[int],
    on_epoch: Callable[[int, list[float]], None] | None = None,
) -> tuple[MemberResult, ...]:
    """Train models of one architecture at once, each as `deepnrc.training.epoch.loop.train` would.

    The results are the same up to the rounding of sums that are taken in another order.

    Args:
        models: Changed in place; N × d → N × t.
        inputs: N × d, on the models' device.
        targets: N × t.
        configs: One per model; they may differ in learning rate, its schedule and weight decay.
        seeds: Of the order of the samples, one per model.
        on_epoch: Called after each epoch with its number from 1 and the mean losses; models can
            be measured there.

    Returns:
        One result per model. A loss that is not finite is an error of its member alone.

    Raises:
        ArgumentError: The models or configurations cannot be trained together.
    """
    if not len(models) == len(configs) == len(seeds):
        raise ArgumentError(
            f"models, configs and seeds: expected as many of each, got {len(models)}, "
            f"{len(configs)} and {len(seeds)}"
        )
    check_configs(configs)
    common = configs[0]
    states = [
        TrainingState(model, make_optimizer(model, config), torch.Generator().manual_seed(seed))
        for model, config, seed in zip(models, configs, seeds, strict=True)
    ]
    ensemble = Ensemble(states, make_objective(common, models[0], inputs.device))
    feed = TensorFeed(inputs, targets)
    losses: list[list[float]] = [[] for _ in models]
    errors: list[DeepNRCError | None] = [None] * len(models)
    for epoch in range(1, common.epochs + 1):
        results = ensemble.train_epoch(
            feed,
            batch_size=common.batch_size,
            lrs=[learning_rate(config, epoch) for config in configs],
            clip_norm=common.clip_norm,
        )
        for member, result in enumerate(results):
            losses[member].append(result.loss)
            try:
                check_loss(result.objective, epoch, configs[member])
            except DeepNRCError as error:
                errors[member] = errors[member] or error
        if on_epoch is not None:
            on_epoch(epoch, [result.loss for result in results])
    return tuple(
        MemberResult(tuple(each), error) for each, error in zip(losses, errors, strict=True)
    )
