"""Models and data whose full records are kept; everything is drawn from fixed seeds, on the CPU."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from deepnrc.models import MLP, resnet18

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """What is measured: a function that makes model and batches, and the options of both calls."""

    make: Callable[[], tuple[nn.Module, list[tuple[Tensor, Tensor]]]]
    measure: dict[str, Any] = field(default_factory=dict)
    diagnose: dict[str, Any] = field(default_factory=dict)


def _batches(inputs: Tensor, targets: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(inputs.split(size), targets.split(size), strict=True))


def _teacher(rows: int, width: int, target_dim: int, rank: int) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(rows, width)
    return inputs, inputs[:, :rank] @ torch.randn(rank, target_dim)


def _trained(model: nn.Module, inputs: Tensor, targets: Tensor, steps: int) -> nn.Module:
    """A few steps of gradient descent with decay, so that the record is not that of noise alone."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(inputs) - targets).square().mean().backward()
        optimizer.step()
    return model


def _mlp(rank: int = 3, dtype: torch.dtype = torch.float32) -> Any:
    inputs, targets = _teacher(300, 12, 3, rank)
    model = MLP(12, 3, width=160, depth=5, bias=True)
    model = _trained(model, inputs, targets, 60)
    return model.to(dtype), _batches(inputs.to(dtype), targets, 128)


def _wide() -> Any:
    """Several chunks of wide rows, many of whose units are dead, some of which wake late."""
    inputs, targets = _teacher(2500, 20, 2, 2)
    model = _trained(MLP(20, 2, width=192, depth=4), inputs[:500], targets[:500], 60)
    inputs[2200:] *= 30
    return model, _batches(inputs, targets, 700)


def _resnet() -> Any:
    model = resnet18(2)
    images = torch.randn(6, 3, 32, 32)
    return model, _batches(images, torch.randn(6, 2), 4)


def _classifier() -> Any:
    labels = torch.arange(240) % 4
    inputs = torch.randn(240, 10) + 3 * torch.eye(10)[labels]
    model = MLP(10, 4, width=32, depth=4, bias=True)
    model = _trained(model, inputs, torch.eye(4)[labels], 40)
    return model, _batches(inputs, labels, 100)


class _Tied(nn.Module):
    """One block called twice, a layer that is never called, and a scalar head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.block = nn.Linear(16, 16)
        self.unused = nn.Linear(16, 5)
        self.head = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        h = torch.relu(self.block(h))
        return self.head(torch.relu(self.block(h)))


def _tied() -> Any:
    inputs, targets = _teacher(200, 8, 1, 1)
    return _trained(_Tied(), inputs, targets, 40), _batches(inputs, targets[:, 0], 64)


def _uncalled() -> Any:
    inputs, targets = _teacher(200, 8, 2, 2)
    model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU())
    model = nn.Sequential(model, nn.Linear(24, 2))
    _trained(model, inputs, targets, 40)
    model.add_module("spare", nn.Linear(7, 3))
    model.forward = lambda x: model[1](model[0](x))  # type: ignore[method-assign]
    return model, _batches(inputs, targets, 64)


def _degenerate() -> Any:
    """A constant target among three, a dead layer, fewer rows than targets in the last batch."""
    inputs = torch.randn(70, 6)
    targets = torch.stack([inputs[:, 0], torch.full((70,), 2.0), inputs[:, 1]], 1)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.fill_(-1.0)
    return model, _batches(inputs, targets, 34)


class _Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 16)
        self.last = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x))).mean(1)


def _tokens() -> Any:
    inputs = torch.randn(90, 7, 5)
    return _Tokens(), _batches(inputs, inputs.mean(1)[:, :2] + 1.0, 40)


CASES: dict[str, Case] = {
    "mlp": Case(_mlp),
    "mlp-low-rank": Case(lambda: _mlp(rank=1), {"signal_rank": "targets"}, {"rule": "nrc1"}),
    "mlp-double": Case(lambda: _mlp(dtype=torch.float64), {"center": False, "intercept": False}),
    "mlp-bf16": Case(lambda: _mlp(dtype=torch.bfloat16)),
    "wide-dead-units": Case(_wide),
    "wide-double": Case(_wide, {"precision": "double", "layers": ["fc2", "fc4"]}),
    "resnet-samples": Case(_resnet, {"reduce": "samples", "layers": ["layer1.*", "fc"]}),
    "classification": Case(_classifier, {"task": "classification"}),
    "paper2024": Case(_mlp, {"last_layer": "paper2024"}),
    "centred": Case(_mlp, {"last_layer": "centred"}),
    "tied-called-twice": Case(_tied, {"last_layer": "centred"}),
    "uncalled": Case(_uncalled, {}, {"noise_tol": 0.5, "cka_tol": 0.3, "alignment_tol": 0.2}),
    "degenerate": Case(_degenerate, {"last_layer": "paper2024"}),
    "tokens-last": Case(_tokens, {"reduce": "last"}),
    "tokens-mean": Case(_tokens, {"signal_rank": 1}),
}
