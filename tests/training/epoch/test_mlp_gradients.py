"""Gradients written out are autograd's, and where they would not be all, autograd is taken."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch import state as state_module
from deepnrc.training.epoch.feed import TensorFeed
from deepnrc.training.epoch.mlp_gradients import MLPGradients, has_mlp_gradients
from deepnrc.training.epoch.objective import mean_squared_error
from deepnrc.training.epoch.optimizer import make_optimizer
from deepnrc.training.epoch.state import TrainingState, train_epoch

# Sums of at most nine products in another order, through at most five layers: 1e-15 each.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def network(d=3, t=2, *, width=4, depth=3, **options):
    model = MLP(
        d, t, width=width, depth=depth, generator=torch.Generator().manual_seed(0), **options
    )
    return model.double()


def batch(rows, d=3, t=2):
    generator = torch.Generator().manual_seed(rows)
    draw = {"dtype": torch.float64, "generator": generator}
    return torch.randn(rows, d, **draw), torch.randn(rows, t, **draw)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    d=st.integers(1, 5),
    t=st.integers(1, 4),
    width=st.integers(1, 6),
    depth=st.integers(1, 5),
    bias=st.booleans(),
)
def test_it_is_autograd(rows, d, t, width, depth, bias):
    model = network(d, t, width=width, depth=depth, bias=bias)
    for parameter in model.parameters():
        parameter.data = torch.randn(  # biases start at zero
            parameter.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(depth)
        )
    assert has_mlp_gradients(model, batch(1, d, t)[1])
    twin = copy.deepcopy(model)
    gradients = MLPGradients(model)
    for count in rows:  # room is made anew where the number of rows changes
        inputs, targets = batch(count, d, t)
        loss, predictions = gradients(inputs, targets)
        twin.zero_grad()
        expected, outputs = mean_squared_error(twin, inputs, targets)
        expected.backward()
        torch.testing.assert_close(loss, expected.detach(), **CLOSE)
        torch.testing.assert_close(predictions, outputs.detach(), **CLOSE)
        for parameter, its in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(parameter.grad, its.grad, **CLOSE)


def test_predictions_outlive_the_next_batch():
    gradients = MLPGradients(network())
    _, first = gradients(*batch(5))
    kept = first.clone()
    gradients(torch.ones(5, 3, dtype=torch.float64), torch.zeros(5, 2, dtype=torch.float64))
    assert torch.equal(first, kept)


def trained(objective, *, epochs=3, clip_norm=None, **options):
    config = TrainingConfig(epochs=epochs, lr=0.02, weight_decay=1e-2, **options)
    model = network(width=8, bias=True)
    state = TrainingState(model, make_optimizer(model, config), torch.Generator().manual_seed(1))
    feed = TensorFeed(*batch(50))
    results = [
        train_epoch(state, feed, objective, batch_size=7, lr=0.02, clip_norm=clip_norm)
        for _ in range(epochs)
    ]
    return model, results


@pytest.mark.parametrize(
    "options", [{}, {"optimizer": "adamw"}, {"clip_norm": 0.1}, {"nesterov": True}]
)
def test_epochs_end_where_those_of_autograd_do(options, monkeypatch):
    made = []
    real = state_module.MLPGradients
    monkeypatch.setattr(
        state_module, "MLPGradients", lambda model: made.append(model) or real(model)
    )
    model, results = trained(mean_squared_error, **options)
    assert made == [model] * 3
    twin, expected = trained(lambda *arguments: mean_squared_error(*arguments), **options)
    assert len(made) == 3
    for mine, its in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-9)  # grown over 24 steps
    for mine, its in zip(results, expected, strict=True):
        assert mine.objective == pytest.approx(its.objective, rel=1e-9)
        assert mine.gradient_norm == pytest.approx(its.gradient_norm, rel=1e-9)
        torch.testing.assert_close(mine.squared_error, its.squared_error, rtol=1e-9, atol=0)


def shared():
    model = network(depth=4)
    model.fc2.weight = model.fc3.weight
    return model


def partly_frozen():
    model = network()
    model.fc1.requires_grad_(False)
    return model


def hooked(where, kind):
    model = network()
    getattr(model.get_submodule(where), f"register_{kind}")(lambda *arguments: None)
    return model


def with_gradient_hook(kind):
    model = network()
    getattr(model.fc2.weight, f"register_{kind}")(lambda gradient: None)
    return model


def with_another_layer():
    model = network(d=2, width=2)
    model.add_module("fc4", torch.nn.Linear(2, 2, bias=False).double())
    return model


class Doubled(MLP):
    def forward(self, inputs):
        return 2 * super().forward(inputs)


OTHERS = {
    "activation": lambda: network(activation="tanh"),
    "batch norm": lambda: network(norm="batch"),
    "layer norm": lambda: network(norm="layer"),
    "another layer": with_another_layer,
    "subclass": lambda: Doubled(3, 2, width=4, depth=3).double(),
    "another network": lambda: torch.nn.Linear(3, 2).double(),
    "parametrized": lambda: _parametrized(network()),
    "shared": shared,
    "partly frozen": partly_frozen,
    "forward hook": lambda: hooked("fc2", "forward_hook"),
    "forward hook on the whole": lambda: hooked("", "forward_hook"),
    "forward pre-hook": lambda: hooked("fc1", "forward_pre_hook"),
    "backward hook": lambda: hooked("fc1", "full_backward_hook"),
    "backward pre-hook": lambda: hooked("fc1", "full_backward_pre_hook"),
    "gradient hook": lambda: with_gradient_hook("hook"),
    "accumulation hook": lambda: with_gradient_hook("post_accumulate_grad_hook"),
    "another dtype": lambda: network().float(),
    "other targets": lambda: network(t=1),
}


def _parametrized(model):
    torch.nn.utils.parametrizations.spectral_norm(model.fc2)
    return model


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_is_left_to_autograd(name):
    _, targets = batch(5)
    assert has_mlp_gradients(network(), targets)
    assert not has_mlp_gradients(OTHERS[name](), targets)


def test_autocast_is_left_to_autograd():
    _, targets = batch(5)
    with torch.autocast("cpu"):
        assert not has_mlp_gradients(network(), targets)
