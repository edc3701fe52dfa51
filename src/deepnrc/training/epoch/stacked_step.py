"""What an ensemble does with its gradients: stacked SGD, other optimisers, and CUDA graphs."""

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["GraphedStep", "OwnUpdates", "StackedSGD", "member_norms"]

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class StackedSGD:
    """SGD with momentum for all members at once, with rates and decays of their own.

    The update of `torch.optim.SGD`: g ← g + λw, v ← μv + g, w ← w − η·v, or with Nesterov's
    momentum w ← w − η·(g + μv). The velocities are those of the members' own optimisers.

    Args:
        optimizers: One a member; they agree in momentum and Nesterov's.
        stacks: Parameters of all members, each of members × its shape.
        members: For each stack, the members' parameters, which are its slices.
    """

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        stacks: Sequence[Tensor],
        members: Sequence[Sequence[nn.Parameter]],
    ) -> None:
        group = optimizers[0].param_groups[0]
        self._momentum, self._nesterov = group["momentum"], group["nesterov"]
        self._stacks, self._optimizers = stacks, optimizers
        device = stacks[0].device
        self._rates = torch.zeros(len(optimizers), device=device)
        decays = [
            {p: g["weight_decay"] for g in o.param_groups for p in g["params"]} for o in optimizers
        ]
        self._decays: list[Tensor | None] = []
        self._velocities: list[Tensor] = []
        for stack, parameters in zip(stacks, members, strict=True):
            each = [decay[p] for decay, p in zip(decays, parameters, strict=True)]
            self._decays.append(
                _column(torch.tensor(each, device=device), stack) if any(each) else None
            )
            self._velocities.append(self._velocity(stack, parameters))

    def _velocity(self, stack: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
        velocity = torch.zeros_like(stack, requires_grad=False)
        if self._momentum == 0.0:
            return velocity
        for part, optimizer, parameter in zip(velocity, self._optimizers, parameters, strict=True):
            before = optimizer.state[parameter].get("momentum_buffer")
            if before is not None:
                part.copy_(before)
            optimizer.state[parameter]["momentum_buffer"] = part
        return velocity

    def tensors(self) -> list[Tensor]:
        """What a step changes beside the parameters."""
        return self._velocities

    def set_rates(self, lrs: Sequence[float]) -> None:
        """The learning rate of each member."""
        self._rates.copy_(torch.tensor(lrs))
        _note_rates(self._optimizers, lrs)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Change the parameters; the gradients are used up."""
        for stack, gradient, velocity, decay in zip(
            self._stacks, gradients, self._velocities, self._decays, strict=True
        ):
            if decay is not None:
                gradient.addcmul_(stack, decay)
            torch.add(gradient, velocity, alpha=self._momentum, out=velocity)
            update = gradient.add_(velocity, alpha=self._momentum) if self._nesterov else velocity
            stack.addcmul_(update, _column(self._rates, stack), value=-1.0)


class OwnUpdates:
    """Each member's own optimiser on its slice of the gradients; arguments as of `StackedSGD`."""

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        stacks: Sequence[Tensor],
        members: Sequence[Sequence[nn.Parameter]],
    ) -> None:
        self._optimizers, self._members = optimizers, members

    def tensors(self) -> list[Tensor]:
        """None that could be replayed."""
        return []

    def set_rates(self, lrs: Sequence[float]) -> None:
        """The learning rate of each member."""
        _note_rates(self._optimizers, lrs)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Change the parameters."""
        for parameters, gradient in zip(self._members, gradients, strict=True):
            for parameter, part in zip(parameters, gradient.unbind(), strict=True):
                parameter.grad = part.contiguous()  # fused optimisers go by the order in memory
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()


class GraphedStep:
    """Replays a step on a GPU as one CUDA graph for each shape of batch.

    Args:
        changed: Every tensor that a step changes; the steps that warm up are taken back.
    """

    def __init__(self, changed: Sequence[Tensor]) -> None:
        self._changed = changed
        self._graphs: dict[
            Hashable, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], tuple[Tensor, ...]]
        ] = {}

    def run(
        self, step: Step, inputs: Tensor, targets: Tensor, *, key: Hashable
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The results of a step; ``key`` stands for all that the step depends on but its batch."""
        key = (key, inputs.shape)
        if key not in self._graphs:
            self._graphs[key] = self._record(step, inputs, targets)
        graph, places, results = self._graphs[key]
        for place, value in zip(places, (inputs, targets), strict=True):
            place.copy_(value)
        graph.replay()
        losses, predictions, norms = (result.clone() for result in results)
        return losses, predictions, norms

    def _record(
        self, step: Step, inputs: Tensor, targets: Tensor
    ) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], tuple[Tensor, ...]]:
        places = (inputs.clone(), targets.clone())
        before = [tensor.detach().clone() for tensor in self._changed]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it so
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries allocate and choose their kernels in the first calls
                step(*places)
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for tensor, value in zip(self._changed, before, strict=True):
                tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = step(*places)
        return graph, places, results


def member_norms(gradients: Sequence[Tensor]) -> Tensor:
    """The norm of all gradients of each member."""
    norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]
    joint: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    return joint


def _column(values: Tensor, stack: Tensor) -> Tensor:
    """One value a member, shaped to be multiplied with its slice."""
    return values.view(-1, *[1] * (stack.ndim - 1))


def _note_rates(optimizers: Sequence[torch.optim.Optimizer], lrs: Sequence[float]) -> None:
    for optimizer, lr in zip(optimizers, lrs, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr
