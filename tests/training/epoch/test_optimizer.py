"""Optimisers against their formulas, learning rates by epoch, and what weight decay acts on."""

import math

import pytest
import torch

from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.optimizer import decay_text, learning_rate, make_optimizer


def config(**values):
    return TrainingConfig(**{"epochs": 9, "lr": 0.1, **values})


def rates(**values):
    made = config(**values)
    return [learning_rate(made, epoch) for epoch in range(1, made.epochs + 1)]


def test_multistep_is_the_papers():
    assert rates() == pytest.approx([0.1] * 3 + [0.01] * 3 + [0.001] * 3)


def test_multistep_equals_torchs_scheduler_to_the_bit():
    made = config(epochs=20, milestones=[0.1, 0.55, 0.9], gamma=0.3)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=made.lr)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 11, 18], gamma=0.3)
    for epoch in range(1, 21):
        assert learning_rate(made, epoch) == optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()


def test_cosine_starts_at_lr_and_ends_just_above_0():
    got = rates(schedule="cosine")
    assert got[0] == 0.1
    assert got[-1] == pytest.approx(0.05 * (1 + math.cos(math.pi * 8 / 9)))
    assert got == sorted(got, reverse=True)


def test_constant():
    assert rates(schedule="constant") == [0.1] * 9


def step_of(made, gradients=(0.5, -0.25)):
    """The weight after steps with given gradients, from 1."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    optimizer = make_optimizer(model, made)
    for gradient in gradients:
        model.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    return float(model.weight.detach())


def test_sgd_with_momentum_and_decay():
    velocity, weight = 0.0, 1.0
    for gradient in (0.5, -0.25):
        velocity = 0.9 * velocity + gradient + 0.01 * weight
        weight -= 0.1 * velocity
    assert step_of(config(weight_decay=0.01)) == pytest.approx(weight, rel=1e-6)


def test_nesterov():
    velocity, weight = 0.0, 1.0
    for gradient in (0.5, -0.25):
        velocity = 0.8 * velocity + gradient
        weight -= 0.1 * (gradient + 0.8 * velocity)
    assert step_of(config(nesterov=True, momentum=0.8)) == pytest.approx(weight, rel=1e-6)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_adam_and_its_two_kinds_of_decay(kind):
    first = second = 0.0
    weight = 1.0
    for number, gradient in enumerate((0.5, -0.25), start=1):
        if kind == "adamw":
            weight *= 1 - 0.1 * 0.02
        else:
            gradient += 0.02 * weight
        first = 0.8 * first + 0.2 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        weight -= (
            0.1 * (first / (1 - 0.8**number)) / (math.sqrt(second / (1 - 0.99**number)) + 1e-8)
        )
    made = config(optimizer=kind, betas=[0.8, 0.99], weight_decay=0.02)
    assert step_of(made) == pytest.approx(weight, rel=1e-5)


def network(**options):
    return MLP(3, 2, width=4, depth=3, generator=torch.Generator().manual_seed(0), **options)


def test_decay_on_matrices_leaves_biases_and_norms_alone():
    model = network(bias=True, norm="batch")
    optimizer = make_optimizer(model, config(weight_decay=0.5, decay="matrices"))
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    got = {name: decays[id(p)] for name, p in model.named_parameters()}
    assert got == {name: 0.5 if p.ndim == 2 else 0.0 for name, p in model.named_parameters()}
    assert sum(decay == 0.5 for decay in got.values()) == 3


def test_decay_on_all_takes_every_parameter():
    model = network(bias=True, norm="layer")
    [group] = make_optimizer(model, config(weight_decay=0.5)).param_groups
    assert group["weight_decay"] == 0.5
    assert len(group["params"]) == len(list(model.parameters())) == 10


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "no weight decay"),
        ({"weight_decay": 0.01}, "weight decay 0.01 on all 6 parameters"),
        (
            {"weight_decay": 0.01, "decay": "matrices"},
            "weight decay 0.01 on the 3 matrices, not on the other 3 parameters",
        ),
        (
            {"ufm_lambda_h": 0.1, "ufm_lambda_w": 0.2},
            "no weight decay; UFM penalties λ_H = 0.1 on the last layer's features and λ_W = 0.2 "
            "on its weight",
        ),
    ],
)
def test_decay_is_said(values, text):
    assert decay_text(network(bias=True), config(**values)) == text
