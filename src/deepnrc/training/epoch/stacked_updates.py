"""What an ensemble does with its gradients: SGD of all members at once, or each one's optimizer."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["OwnUpdates", "StackedSGD", "per_member"]


class StackedSGD:
    """SGD with momentum for all members at once, with rates and decays of their own.

    The update of `torch.optim.SGD`: g ← g + λw, v ← μv + g, w ← w − η·v, or with Nesterov's
    momentum w ← w − η·(g + μv). The velocities are those of the members' own optimizers.

    Args:
        optimizers: One per member; they agree in momentum and in whether it is Nesterov's.
        stacks: Parameters of all members, each members × its shape.
        members: For each stack, the members' parameters, which are its slices.

    Attributes:
        changed: What a step changes besides the parameters.
    """

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        stacks: Sequence[Tensor],
        members: Sequence[Sequence[Tensor]],
    ) -> None:
        group = optimizers[0].param_groups[0]
        self._momentum, self._nesterov = group["momentum"], group["nesterov"]
        self._stacks, self._optimizers = stacks, optimizers
        decays = [
            {p: g["weight_decay"] for g in o.param_groups for p in g["params"]} for o in optimizers
        ]
        self._decays: list[Tensor | None] = []
        self.changed: list[Tensor] = []
        for stack, parameters in zip(stacks, members, strict=True):
            each = [decay[p] for decay, p in zip(decays, parameters, strict=True)]
            decay = per_member(torch.tensor(each, device=stack.device), stack)
            self._decays.append(decay if any(each) else None)
            self.changed.append(self._velocity(stack, parameters))

    def _velocity(self, stack: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        velocity = torch.zeros_like(stack, requires_grad=False)
        if self._momentum == 0.0:
            return velocity
        for part, optimizer, parameter in zip(velocity, self._optimizers, parameters, strict=True):
            before = optimizer.state[parameter].get("momentum_buffer")
            if before is not None:
                part.copy_(before)
            optimizer.state[parameter]["momentum_buffer"] = part
        return velocity

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """Change the parameters at one learning rate per member; overwrites the gradients."""
        for stack, gradient, velocity, decay in zip(
            self._stacks, gradients, self.changed, self._decays, strict=True
        ):
            if decay is not None:
                gradient.addcmul_(stack, decay)
            torch.add(gradient, velocity, alpha=self._momentum, out=velocity)
            update = gradient.add_(velocity, alpha=self._momentum) if self._nesterov else velocity
            stack.addcmul_(update, per_member(rates, stack), value=-1.0)


class OwnUpdates:
    """Each member's own optimizer on its slice of the gradients; arguments as for `StackedSGD`."""

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        stacks: Sequence[Tensor],
        members: Sequence[Sequence[Tensor]],
    ) -> None:
        self._optimizers, self._members = optimizers, members
        self.changed: list[Tensor] = []

    def step(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        """Change the parameters, at the learning rates that the optimizers have."""
        for parameters, gradient in zip(self._members, gradients, strict=True):
            for parameter, part in zip(parameters, gradient.unbind(), strict=True):
                parameter.grad = part.contiguous()  # fused optimizers go by the order in memory
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()


def per_member(values: Tensor, stack: Tensor) -> Tensor:
    """One value per member, shaped to be multiplied with its slice."""
    return values.view(-1, *[1] * (stack.ndim - 1))
