"""Which networks and configurations can be members of one ensemble."""

from collections.abc import Sequence

import torch
from torch import nn

from deepnrc.errors import ArgumentError
from deepnrc.models.mlp import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.state import TrainingState

__all__ = ["OWN_KEYS", "check_configs", "check_states"]

OWN_KEYS = frozenset({"lr", "weight_decay", "decay", "schedule", "milestones", "gamma", "device"})
"""Keys of a training configuration in which members may differ."""


def check_states(states: Sequence[TrainingState]) -> None:
    """Refuse training states that differ in more than their values.

    Raises:
        ArgumentError: There are none, or one differs from the first in architecture, epoch, kind
            of optimizer or momentum.
    """
    if not states:
        raise ArgumentError("states: expected at least one member, got none")
    first = states[0]
    for number, state in enumerate(states[1:], start=1):
        for what, expected, got in (
            ("layers", _shapes(first.model), _shapes(state.model)),
            ("network", _text(first.model), _text(state.model)),
            ("epoch", first.epoch, state.epoch),
            ("optimizer", _kind(first.optimizer), _kind(state.optimizer)),
        ):
            if got != expected:
                raise ArgumentError(
                    f"states: member {number} differs from member 0 in its {what} ({got} instead "
                    f"of {expected}): train only members together that differ in seed, learning "
                    "rate and weight decay"
                )


def check_configs(configs: Sequence[TrainingConfig]) -> None:
    """Refuse training configurations that differ in more than `OWN_KEYS`.

    Raises:
        ArgumentError: There are none, they differ in another key, or the loss is to be compiled.
    """
    if not configs:
        raise ArgumentError("configs: expected at least one member, got none")
    for number, config in enumerate(configs):
        for key in sorted(TrainingConfig.model_fields.keys() - OWN_KEYS):
            expected, got = getattr(configs[0], key), getattr(config, key)
            if got != expected:
                raise ArgumentError(
                    f"configs: member {number} has {key} = {got!r}, member 0 has {expected!r}: "
                    f"members that train together differ only in {', '.join(sorted(OWN_KEYS))}"
                )
        if config.compile:
            raise ArgumentError(
                "configs: an ensemble cannot be compiled: set training.compile = false"
            )


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _text(model: nn.Module) -> str:
    """What two networks of the same parameters may still differ in."""
    if isinstance(model, MLP):
        return f"MLP with {model.activation} and norm {model.norm}"
    return str(model)


def _kind(optimizer: torch.optim.Optimizer) -> str:
    options = {k: optimizer.defaults.get(k) for k in ("momentum", "nesterov", "betas")}
    given = ", ".join(f"{k}={v}" for k, v in options.items() if v is not None)
    return f"{type(optimizer).__name__}({given})"
