"""The losses of all members of an ensemble at once, from their stacked parameters."""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from deepnrc.models.mlp import ACTIVATIONS, MLP
from deepnrc.training.epoch.objective import Objective, mean_squared_error

__all__ = ["StackedLosses", "stacked_losses"]

StackedLosses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(inputs B × members × d, targets) → (losses of the members, predictions B × members × t)."""


def stacked_losses(
    model: nn.Module, objective: Objective, stacks: Mapping[str, Tensor]
) -> StackedLosses:
    """The losses as a function of a batch.

    Args:
        model: One of the members.
        objective: What each of them minimizes.
        stacks: Parameters and buffers by name, each members × its shape.
    """
    if objective is mean_squared_error and type(model) is MLP and model.norm == "none":
        return _mlp_losses(model, stacks)
    return _vmap_losses(model, objective, dict(stacks))


def _mlp_losses(model: MLP, stacks: Mapping[str, Tensor]) -> StackedLosses:
    activation, depth = ACTIVATIONS[model.activation], model.depth

    def losses(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        # Samples last, so that the weights' gradients come out in the order of the weights:
        # the update goes over both, and over transposed ones it takes several times as long.
        features = inputs.permute(1, 2, 0)
        for number in range(1, depth + 1):
            weight = stacks[f"fc{number}.weight"]
            bias = stacks.get(f"fc{number}.bias")
            if bias is None:
                features = torch.bmm(weight, features)
            else:
                features = torch.baddbmm(bias[:, :, None], weight, features)
            if number < depth:
                features = activation(features)
        predictions = features.permute(2, 0, 1)
        return (predictions - targets).square().mean((0, 2)), predictions

    return losses


def _vmap_losses(
    model: nn.Module, objective: Objective, stacks: dict[str, Tensor]
) -> StackedLosses:
    # A copy without weights of its own, so that the members' modes and values stay separate.
    shell = _Objective(copy.deepcopy(model).to("meta").train(), objective)
    stacks = {f"model.{name}": stack for name, stack in stacks.items()}

    def one(values: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = torch.func.functional_call(shell, values, (inputs, targets))
        return result

    each = torch.func.vmap(one, in_dims=(0, 1, 1), out_dims=(0, 1), randomness="different")

    def losses(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = each(stacks, inputs, targets)
        return result

    return losses


class _Objective(nn.Module):
    """An objective as a module, so that its model's parameters can be replaced."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return self.objective(self.model, inputs, targets)
