"""Many small networks trained at once: their weights stacked, each step one batched product.

A small network leaves most of a step to overhead, and a second core or a GPU idle. The members of
an ensemble share architecture and data; seed, learning rate and weight decay are each one's own.
They stay ordinary training states throughout: a member's parameters, buffers and momenta are views
of the stacks, so that it can be measured, saved, or trained alone at any epoch.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.training.epoch.cuda_graph import GraphedStep
from deepnrc.training.epoch.feed import Feed, TensorFeed
from deepnrc.training.epoch.members import check_states
from deepnrc.training.epoch.objective import Objective, mean_squared_error
from deepnrc.training.epoch.optimizer import set_rate
from deepnrc.training.epoch.result import EpochResult, EpochTotals
from deepnrc.training.epoch.stacked_losses import stacked_losses
from deepnrc.training.epoch.stacked_updates import OwnUpdates, StackedSGD, per_member
from deepnrc.training.epoch.state import TrainingState

__all__ = ["Ensemble"]


class Ensemble:
    """Training states of one architecture whose tensors become slices of common stacks.

    An `MLP` without normalization under the mean squared error is stacked by hand; any other
    network, and any other objective, goes through ``torch.func.vmap``. SGD is stacked too; other
    optimizers step one by one. On a GPU a step of SGD is recorded once as a CUDA graph and
    replayed. A member whose loss diverges does not affect the others.

    Args:
        states: One per member, on one device, at the same epoch; their models, optimizers and
            generators stay in use.
        objective: What each member minimizes.

    Raises:
        ArgumentError: There are no states, or they differ in more than values: architecture,
            epoch, kind of optimizer or momentum.
    """

    def __init__(
        self, states: Sequence[TrainingState], objective: Objective = mean_squared_error
    ) -> None:
        check_states(states)
        self.states = tuple(states)
        first = states[0].model
        tensors = [
            dict(itertools.chain(state.model.named_parameters(), state.model.named_buffers()))
            for state in states
        ]
        stacks = {name: _stack([each[name] for each in tensors]) for name in tensors[0]}
        trained = [name for name, p in first.named_parameters() if p.requires_grad]
        self._parameters = [stacks[name].requires_grad_() for name in trained]
        self._losses = stacked_losses(first, objective, stacks)
        kind = StackedSGD if isinstance(states[0].optimizer, torch.optim.SGD) else OwnUpdates
        self._update = kind(
            [state.optimizer for state in states],
            self._parameters,
            [[each[name] for each in tensors] for name in trained],
        )
        self._rates = torch.zeros(len(states), device=self._parameters[0].device)
        graphed = self._rates.is_cuda and isinstance(self._update, StackedSGD)
        changed = [*stacks.values(), *self._update.changed]
        self._graph = GraphedStep(changed) if graphed else None

    def train_epoch(
        self,
        feed: Feed,
        *,
        batch_size: int,
        lrs: Sequence[float],
        clip_norm: float | None = None,
    ) -> list[EpochResult]:
        """One pass of every member over the data, each in an order of its own generator.

        Does to each what `deepnrc.training.epoch.state.train_epoch` does, up to rounding.

        Args:
            feed: The training data, in memory on the members' device.
            batch_size: Samples per step and member.
            lrs: Learning rate of this epoch of each member.
            clip_norm: A member's gradients of a larger norm are scaled down to this one.

        Raises:
            ArgumentError: The feed reads images from disk, or the number of rates is another.
        """
        if not isinstance(feed, TensorFeed):
            raise ArgumentError(
                "feed: an ensemble takes rows in memory, not images from disk: train the members "
                "one by one"
            )
        if len(lrs) != len(self.states):
            raise ArgumentError(
                f"lrs: expected {len(self.states)} rates, one per member, got {len(lrs)}"
            )
        for state, lr in zip(self.states, lrs, strict=True):
            set_rate(state.optimizer, lr)
        self._rates.copy_(torch.tensor(lrs))
        # N × members: a column of each member's rows, gathered together as B × members × d.
        order = torch.stack(
            [torch.randperm(len(feed), generator=state.generator) for state in self.states], dim=1
        )
        totals = EpochTotals(len(feed), batch_size)
        for inputs, targets in feed.batches(order, batch_size):
            wanted = totals.wants_norm or clip_norm is not None
            loss, predictions, norm = self._step(inputs, targets, clip_norm, wanted)
            totals.add(loss, norm if wanted else None, predictions - targets)
        for state in self.states:
            state.epoch += 1
        return totals.results()

    def _step(
        self, inputs: Tensor, targets: Tensor, clip_norm: float | None, wanted: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Losses, predictions B × members × t, and norms of the gradients if wanted."""

        def step(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            losses, predictions = self._losses(inputs, targets)
            # The members share nothing, so the sum's gradient is each member's own.
            gradients = torch.autograd.grad(losses.sum(), self._parameters)
            norms = _member_norms(gradients) if wanted or self._graph else losses
            if clip_norm is not None:
                shares = (clip_norm / (norms + 1e-6)).clamp(max=1.0)
                for gradient in gradients:
                    gradient.mul_(per_member(shares, gradient))
            self._update.step(gradients, self._rates)
            return losses.detach(), predictions.detach(), norms

        if self._graph is None:
            return step(inputs, targets)
        return self._graph.run(step, inputs, targets, key=clip_norm)


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """One tensor that holds all of them; each becomes a view of its slice."""
    stack = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, part in zip(tensors, stack.unbind(), strict=True):
        tensor.data = part
    return stack


def _member_norms(gradients: Sequence[Tensor]) -> Tensor:
    """The norm of all gradients of each member."""
    norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]
    joint: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    return joint
