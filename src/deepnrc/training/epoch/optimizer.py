"""The optimizer and its learning rate by epoch, from a training configuration."""

import math

import torch
from torch import nn

from deepnrc.training.config import TrainingConfig

__all__ = ["decay_text", "learning_rate", "make_optimizer", "set_rate"]

_MILESTONES = (1 / 3, 2 / 3)  # [RU26, appendix A]


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer of a model's parameters, those with weight decay in its first group."""
    decayed, free = _by_decay(model, config)
    groups = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decayed, config.weight_decay), (free, 0.0))
        if parameters
    ]
    # fused: one kernel for all parameters, with the same arithmetic.
    if config.optimizer == "sgd":
        momentum = 0.9 if config.momentum is None else config.momentum
        return torch.optim.SGD(
            groups, lr=config.lr, momentum=momentum, nesterov=config.nesterov, fused=True
        )
    first, second = config.betas or (0.9, 0.999)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.lr, betas=(first, second), fused=True)


def learning_rate(config: TrainingConfig, epoch: int) -> float:
    """The learning rate during an epoch, counted from 1.

    A function of the epoch alone, so that resuming a run needs no scheduler state.
    """
    if config.schedule == "constant":
        return config.lr
    if config.schedule == "cosine":
        return config.lr * 0.5 * (1.0 + math.cos(math.pi * (epoch - 1) / config.epochs))
    shares = _MILESTONES if config.milestones is None else config.milestones
    lr = config.lr
    for share in shares:
        if epoch > max(1, round(share * config.epochs)):
            lr *= 0.1 if config.gamma is None else config.gamma
    return lr


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every group of parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def decay_text(model: nn.Module, config: TrainingConfig) -> str:
    """The weight decay or the penalties, and what they act on, in one line."""
    if config.ufm_lambda_h is not None:
        return (
            f"no weight decay; UFM penalties λ_H = {config.ufm_lambda_h:g} on the last layer's "
            f"features and λ_W = {config.ufm_lambda_w:g} on its weight"
        )
    if config.weight_decay == 0.0:
        return "no weight decay"
    decayed, free = _by_decay(model, config)
    text = f"weight decay {config.weight_decay:g} on "
    if not free:
        return f"{text}all {len(decayed)} parameters"
    return f"{text}the {len(decayed)} matrices, not on the other {len(free)} parameters"


def _by_decay(
    model: nn.Module, config: TrainingConfig
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in model.parameters():
        matrix = parameter.ndim >= 2
        (decayed if matrix or config.decay == "all" else free).append(parameter)
    return decayed, free
