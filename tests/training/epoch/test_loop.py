"""Training in memory: against a step written out by hand, its determinism, its errors."""

import pytest
import torch

from deepnrc.errors import DeepNRCError
from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.loop import check_loss, train


def _data(samples=40):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(samples, 3, generator=generator)
    return inputs, inputs @ torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]])


def _linear():
    return MLP(3, 2, depth=1, generator=torch.Generator().manual_seed(1))


def test_full_batch_steps_equal_momentum_sgd_written_out():
    inputs, targets = _data()
    model = _linear()
    weight = model.fc1.weight.detach().double().clone()
    velocity = torch.zeros_like(weight)
    config = TrainingConfig(epochs=9, lr=0.1, weight_decay=0.01, batch_size=40)
    losses = train(model, inputs, targets, config)
    x, y = inputs.double(), targets.double()
    for epoch in range(9):
        lr = 0.1 * (0.1 if epoch >= 3 else 1.0) * (0.1 if epoch >= 6 else 1.0)
        residual = x @ weight.T - y
        # The predictions are float32: six digits.
        assert losses[epoch] == pytest.approx(float(residual.square().mean()), rel=1e-5)
        gradient = 2 * residual.T @ x / residual.numel() + 0.01 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - lr * velocity
    torch.testing.assert_close(model.fc1.weight.detach().double(), weight, rtol=1e-5, atol=1e-6)


def test_every_sample_is_seen_once_an_epoch():
    inputs, targets = _data(samples=10)
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2, 3))

        def forward(self, x):
            seen.append(x.detach().clone())
            return x @ self.weight.T

    train(Spy(), inputs, targets, TrainingConfig(epochs=2, lr=0.01, batch_size=4))
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    for epoch in (first, second):
        assert torch.equal(epoch.sort(0).values, inputs.sort(0).values)
    assert not torch.equal(first, second)


def test_same_seed_same_bits_and_global_generator_untouched():
    inputs, targets = _data()
    before = torch.get_rng_state()
    config = TrainingConfig(epochs=3, lr=0.05, weight_decay=1e-3, batch_size=8)
    weights = []
    for seed in (0, 0, 1):
        model = _linear()
        train(model, inputs, targets, config, seed=seed)
        weights.append(model.fc1.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_callback_gets_every_epoch_and_its_loss():
    inputs, targets = _data()
    told = []
    config = TrainingConfig(epochs=4, lr=0.05)
    losses = train(_linear(), inputs, targets, config, on_epoch=lambda *facts: told.append(facts))
    assert told == list(enumerate(losses, start=1))


def test_divergence_is_an_error_that_says_what_to_do():
    inputs, targets = _data()
    message = r"loss is (inf|nan) after epoch \d+: lower the learning rate \(training.lr is 10000\)"
    with pytest.raises(DeepNRCError, match=message):
        train(_linear(), inputs, targets, TrainingConfig(epochs=50, lr=1e4))


def test_a_gradient_that_is_not_finite_is_told_as_such():
    """A loss on its way to infinity may still be finite; the log holds finite numbers only."""
    config = TrainingConfig(epochs=1, lr=0.5)
    with pytest.raises(DeepNRCError, match=r"^the gradient norm is inf after epoch 3: lower the"):
        check_loss(float("inf"), 3, config, what="gradient norm")
    with pytest.raises(DeepNRCError, match=r"^the test loss is nan after epoch 3: lower the"):
        check_loss(float("nan"), 3, config, what="test loss")
