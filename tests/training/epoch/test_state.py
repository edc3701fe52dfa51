"""One epoch: what it reports, clipping, batch-norm, and that evaluation leaves no trace."""

import pytest
import torch

from deepnrc.models import MLP
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.feed import InOrder, TensorFeed
from deepnrc.training.epoch.objective import make_objective, mean_squared_error
from deepnrc.training.epoch.optimizer import make_optimizer
from deepnrc.training.epoch.result import squared_error
from deepnrc.training.epoch.state import TrainingState, train_epoch


def data(n=50):
    generator = torch.Generator().manual_seed(0)
    return TensorFeed(
        torch.randn(n, 4, generator=generator), torch.randn(n, 3, generator=generator)
    )


def start(*, config=None, **options):
    config = config or TrainingConfig(epochs=1, lr=0.1)
    model = MLP(4, 3, width=8, depth=3, generator=torch.Generator().manual_seed(1), **options)
    return TrainingState(model, make_optimizer(model, config), torch.Generator().manual_seed(2))


def frozen_epoch(rows=50, **options):
    """An epoch at a learning rate too small to move the weights: everything can be foreseen."""
    state, feed = start(), data(rows)
    return state, feed, train_epoch(state, feed, mean_squared_error, lr=1e-30, **options)


@pytest.mark.parametrize("batch_size", [7, 130, 1])
def test_squared_error_of_each_target_and_loss(batch_size):
    state, feed, result = frozen_epoch(130, batch_size=batch_size)
    with torch.no_grad():
        expected = (state.model(feed.inputs).double() - feed.targets.double()).square()
    # Batches of other sizes round the float32 products otherwise: 1e-5.
    torch.testing.assert_close(result.squared_error, expected.sum(0), rtol=1e-5, atol=0)
    assert result.loss == pytest.approx(float(expected.mean()), rel=1e-5)
    assert result.objective == pytest.approx(float(expected.mean()), rel=1e-5)
    assert result.samples == 130
    assert state.epoch == 1


def test_objective_holds_the_penalties_and_loss_does_not():
    config = TrainingConfig(epochs=1, lr=0.1, ufm_lambda_h=0.5, ufm_lambda_w=0.5)
    state, feed = start(config=config), data()
    objective = make_objective(config, state.model, torch.device("cpu"))
    expected = float(objective(state.model, feed.inputs, feed.targets)[0].detach())
    result = train_epoch(state, feed, objective, batch_size=10, lr=1e-30)
    assert result.objective == pytest.approx(expected, rel=1e-5)
    assert result.loss < 0.9 * result.objective


def gradient_norm(model, feed):
    loss, _ = mean_squared_error(model, feed.inputs, feed.targets)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return float(torch.cat([g.flatten() for g in gradients]).norm())


def test_gradient_norm_of_a_full_batch():
    state, feed, result = frozen_epoch(batch_size=50)
    assert result.gradient_norm == pytest.approx(gradient_norm(state.model, feed), rel=1e-5)


def test_gradient_norm_is_the_root_mean_square_over_batches():
    state, feed, result = frozen_epoch(batch_size=25)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))
    squares = [
        gradient_norm(state.model, TensorFeed(feed.inputs[rows], feed.targets[rows])) ** 2
        for rows in order.split(25)
    ]
    assert result.gradient_norm == pytest.approx((sum(squares) / 2) ** 0.5, rel=1e-5)


def test_gradient_norm_looks_at_a_bounded_number_of_batches(monkeypatch):
    calls = []
    real = torch.nn.utils.get_total_norm
    monkeypatch.setattr(
        torch.nn.utils, "get_total_norm", lambda tensors: calls.append(1) or real(tensors)
    )
    train_epoch(start(), data(800), mean_squared_error, batch_size=10, lr=1e-3)
    assert len(calls) == 8


def test_clipping_bounds_the_step_and_reports_the_norm_before():
    config = TrainingConfig(epochs=1, lr=1.0, momentum=0.0)
    state, feed = start(config=config), data()
    before = [p.detach().clone() for p in state.model.parameters()]
    norm = gradient_norm(state.model, feed)
    result = train_epoch(
        state, feed, mean_squared_error, batch_size=50, lr=1.0, clip_norm=norm / 10
    )
    moved = [p.detach() - b for p, b in zip(state.model.parameters(), before, strict=True)]
    assert float(torch.cat([m.flatten() for m in moved]).norm()) == pytest.approx(
        norm / 10, rel=1e-4
    )
    assert result.gradient_norm == pytest.approx(norm, rel=1e-5)


def test_learning_rate_reaches_every_group():
    config = TrainingConfig(epochs=1, lr=0.1, weight_decay=0.1, decay="matrices")
    state = start(config=config, bias=True)
    train_epoch(state, data(), mean_squared_error, batch_size=50, lr=0.025)
    assert [group["lr"] for group in state.optimizer.param_groups] == [0.025, 0.025]


def test_a_lone_last_sample_does_not_stop_batch_norm():
    state = start(norm="batch")
    state.model.eval()  # as a measurement by hand might leave it
    train_epoch(state, data(17), mean_squared_error, batch_size=16, lr=0.01)
    assert int(state.model.norm1.num_batches_tracked) == 1


def test_evaluation_uses_running_statistics_and_changes_nothing():
    state, feed = start(norm="batch"), data()
    train_epoch(state, feed, mean_squared_error, batch_size=10, lr=0.01)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    total, rows = squared_error(state.model, InOrder(feed, 7))
    assert state.model.training
    assert all(torch.equal(value, before[name]) for name, value in state.model.state_dict().items())
    model = state.model.eval()
    expected = (model(feed.inputs).double() - feed.targets.double()).square().sum(0).detach()
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=0)
    assert rows == 50


def test_bf16_and_adam_learn():
    config = TrainingConfig(epochs=1, lr=0.01, optimizer="adam", precision="bf16")
    state, feed = start(config=config), data()
    objective = make_objective(config, state.model, torch.device("cpu"))
    losses = [train_epoch(state, feed, objective, batch_size=10, lr=0.01).loss for _ in range(20)]
    assert losses[-1] < 0.7 * losses[0]
