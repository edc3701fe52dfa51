"""Many small networks trained at once: their weights stacked, each step one batched product.

A small network leaves most of a step to overhead, and a second core or a GPU idle. The members of
an ensemble share architecture and data; seed, learning rate and weight decay are each one's own.
They stay ordinary training states all along: a member's parameters, buffers and momenta are views
of the stacks, so that it can be measured, saved, or trained on alone at any epoch.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.models.mlp import ACTIVATIONS, MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.feed import Feed, TensorFeed
from deepnrc.training.epoch.loop import check_loss
from deepnrc.training.epoch.objective import Objective, make_objective, mean_squared_error
from deepnrc.training.epoch.optimizer import learning_rate, make_optimizer
from deepnrc.training.epoch.stacked_step import GraphedStep, OwnUpdates, StackedSGD, member_norms
from deepnrc.training.epoch.state import EpochResult, TrainingState

__all__ = ["OWN_KEYS", "Ensemble", "MemberResult", "train_together"]

OWN_KEYS = frozenset({"lr", "weight_decay", "decay", "schedule", "milestones", "gamma", "device"})
"""Of a training configuration: what each member has for itself."""

_NORMS = 8  # batches an epoch whose gradient norms are taken, as `train_epoch` does
_PENDING = 64  # batches whose squared errors are summed up at once


@dataclass(frozen=True)
class MemberResult:
    """What became of one member.

    Attributes:
        losses: Mean training loss of each epoch; not finite from the one on that diverged.
        error: Why its weights are of no use; None where all went well.
    """

    losses: tuple[float, ...]
    error: DeepNRCError | None


class Ensemble:
    """Training states of one architecture whose tensors become slices of common stacks.

    An `MLP` without normalisation under the mean squared error is stacked by hand; any other
    network, and any other objective, goes through ``torch.func.vmap``. SGD is stacked too; other
    optimisers step one by one. On a GPU a step of SGD is recorded once as a CUDA graph and
    replayed. A member whose loss diverges does not touch the others.

    Args:
        states: One a member, on one device, at the same epoch; their models, optimisers and
            generators go on being used.
        objective: What each member minimises.

    Raises:
        ArgumentError: No states, or states that differ in more than values: architecture, epoch,
            kind of optimiser, momentum.
    """

    def __init__(
        self, states: Sequence[TrainingState], objective: Objective = mean_squared_error
    ) -> None:
        _check_alike(states)
        self.states = tuple(states)
        first = states[0].model
        parameters = {
            name: [state.model.get_parameter(name) for state in states]
            for name, parameter in first.named_parameters()
            if parameter.requires_grad
        }
        # What no gradient reaches: buffers and frozen parameters.
        buffers = {
            name: [dict(_tensors(state.model))[name] for state in states]
            for name, _ in _tensors(first)
            if name not in parameters
        }
        self._parameters = {
            name: _stack(each).requires_grad_() for name, each in parameters.items()
        }
        self._buffers = {name: _stack(each) for name, each in buffers.items()}
        stacks = list(self._parameters.values())
        kind = StackedSGD if isinstance(states[0].optimizer, torch.optim.SGD) else OwnUpdates
        self._update = kind([s.optimizer for s in states], stacks, list(parameters.values()))
        by_hand = objective is mean_squared_error and _is_plain_mlp(first)
        self._losses = (
            _mlp_losses(first, self._parameters | self._buffers)
            if by_hand and isinstance(first, MLP)
            else _vmap_losses(first, objective, self._parameters, self._buffers)
        )
        device = stacks[0].device
        graphed = device.type == "cuda" and isinstance(self._update, StackedSGD)
        changed = [*stacks, *self._buffers.values(), *self._update.tensors()]
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

        What `deepnrc.training.epoch.state.train_epoch` does to each, up to rounding.

        Args:
            feed: The training data, in memory on the members' device.
            batch_size: Samples a step and member.
            lrs: Learning rate of this epoch of each member.
            clip_norm: A member's gradients of a larger norm are scaled down to this one.

        Raises:
            ArgumentError: Images that are read from disk, or another number of rates.
        """
        if not isinstance(feed, TensorFeed):
            raise ArgumentError(
                "feed: an ensemble takes rows that lie in memory, not images from disk: train "
                "the members one by one"
            )
        if len(lrs) != len(self.states):
            raise ArgumentError(
                f"lrs: expected {len(self.states)} rates, one a member, got {len(lrs)}"
            )
        self._update.set_rates(lrs)
        # N × members: a column of each member's rows, gathered together as B × members × d.
        order = torch.stack([_permutation(len(feed), s) for s in self.states], dim=1)
        stride = max(1, len(order) // batch_size // _NORMS)
        errors = torch.zeros(len(self.states), feed.targets.shape[1], dtype=torch.float64)
        losses, norms, sizes = [], [], []
        pending: list[Tensor] = []
        for number, (inputs, targets) in enumerate(feed.batches(order, batch_size)):
            wanted = number % stride == 0 or clip_norm is not None
            loss, predictions, norm = self._step(inputs, targets, clip_norm, wanted)
            if wanted:
                norms.append(norm)
            losses.append(loss)
            sizes.append(len(targets))
            pending.append(predictions - targets)
            if len(pending) == _PENDING:
                errors += _squared(pending)
                pending.clear()
        if pending:
            errors += _squared(pending)
        weights = torch.tensor(sizes, dtype=torch.float64)[:, None]
        means = (torch.stack(losses).double().cpu() * weights).sum(0) / weights.sum()
        squared = torch.stack(norms).double().square().mean(0).sqrt().cpu()
        for state in self.states:
            state.epoch += 1
        return [
            EpochResult(float(mean), error, len(feed), float(norm))
            for mean, error, norm in zip(means, errors, squared, strict=True)
        ]

    def _step(
        self, inputs: Tensor, targets: Tensor, clip_norm: float | None, wanted: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Losses, predictions B × members × t, and norms of the gradients where wanted."""

        def step(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            losses, predictions = self._losses(inputs, targets)
            # The members share nothing, so the sum's gradient is each member's own.
            gradients = torch.autograd.grad(losses.sum(), list(self._parameters.values()))
            norms = member_norms(gradients) if wanted or self._graph else losses
            if clip_norm is not None:
                shares = (clip_norm / (norms + 1e-6)).clamp(max=1.0)
                for gradient in gradients:
                    gradient.mul_(shares.view(-1, *[1] * (gradient.ndim - 1)))
            self._update.step(gradients)
            return losses.detach(), predictions.detach(), norms

        if self._graph is None:
            return step(inputs, targets)
        return self._graph.run(step, inputs, targets, key=clip_norm)


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

    The same results up to the rounding of sums that are taken in another order.

    Args:
        models: Changed in place; N × d → N × t.
        inputs: N × d, on the models' device.
        targets: N × t.
        configs: One a model; they may differ in learning rate, its schedule and weight decay.
        seeds: Of the order of the samples, one a model.
        on_epoch: Called after each epoch with its number from 1 and the mean losses; models can
            be measured there.

    Returns:
        One result a model. A loss that is no longer finite is an error of its member alone.

    Raises:
        ArgumentError: Models or configurations that cannot be trained together.
    """
    if not len(models) == len(configs) == len(seeds):
        raise ArgumentError(
            f"models, configs and seeds: expected as many of each, got {len(models)}, "
            f"{len(configs)} and {len(seeds)}"
        )
    _check_configs(configs)
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


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _permutation(rows: int, state: TrainingState) -> Tensor:
    return torch.randperm(rows, generator=state.generator)


def _squared(residuals: list[Tensor]) -> Tensor:
    """Of residuals B × members × t, the squares summed over all samples."""
    return torch.cat(residuals).double().square().sum(0).cpu()


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """One tensor that holds all of them; each goes on as a view of its slice."""
    stack = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, part in zip(tensors, stack.unbind(), strict=True):
        tensor.data = part
    return stack


def _is_plain_mlp(model: nn.Module) -> bool:
    return type(model) is MLP and model.norm == "none"


Losses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(inputs B × members × d, targets) → (losses of the members, predictions B × members × t)."""


def _mlp_losses(model: MLP, parameters: dict[str, Tensor]) -> Losses:
    activation, depth = ACTIVATIONS[model.activation], model.depth

    def losses(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        # Samples last, so that the weights' gradients come out in the order of the weights:
        # the update goes over both, and over transposed ones it takes several times as long.
        features = inputs.permute(1, 2, 0)
        for number in range(1, depth + 1):
            weight = parameters[f"fc{number}.weight"]
            bias = parameters.get(f"fc{number}.bias")
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
    model: nn.Module,
    objective: Objective,
    parameters: dict[str, Tensor],
    buffers: dict[str, Tensor],
) -> Losses:
    # A copy without weights of its own, so that the members' modes and values stay apart.
    shell = _Objective(copy.deepcopy(model).to("meta").train(), objective)

    def one(
        parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        named = {f"model.{name}": value for name, value in {**parameters, **buffers}.items()}
        result: tuple[Tensor, Tensor] = torch.func.functional_call(shell, named, (inputs, targets))
        return result

    each = torch.func.vmap(one, in_dims=(0, 0, 1, 1), out_dims=(0, 1), randomness="different")

    def losses(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = each(parameters, buffers, inputs, targets)
        return result

    return losses


class _Objective(nn.Module):
    """An objective as a module, so that parameters can be put in its model's place."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return self.objective(self.model, inputs, targets)


def _check_alike(states: Sequence[TrainingState]) -> None:
    if not states:
        raise ArgumentError("states: expected at least one member, got none")
    first = states[0]
    for number, state in enumerate(states[1:], start=1):
        for what, expected, got in (
            ("layers", _shapes(first.model), _shapes(state.model)),
            ("network", _make(first.model), _make(state.model)),
            ("epoch", first.epoch, state.epoch),
            ("optimizer", _kind(first.optimizer), _kind(state.optimizer)),
        ):
            if got != expected:
                raise ArgumentError(
                    f"states: member {number} differs from member 0 in its {what} ({got} instead "
                    f"of {expected}): train only members together that differ in seed, learning "
                    "rate and weight decay"
                )


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _make(model: nn.Module) -> str:
    """What two networks of the same parameters may still differ in."""
    if isinstance(model, MLP):
        return f"MLP with {model.activation} and norm {model.norm}"
    return str(model)


def _kind(optimizer: torch.optim.Optimizer) -> str:
    options = {k: optimizer.defaults.get(k) for k in ("momentum", "nesterov", "betas")}
    given = ", ".join(f"{k}={v}" for k, v in options.items() if v is not None)
    return f"{type(optimizer).__name__}({given})"


def _check_configs(configs: Sequence[TrainingConfig]) -> None:
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
            raise ArgumentError("configs: compile is not for ensembles: set training.compile=false")
