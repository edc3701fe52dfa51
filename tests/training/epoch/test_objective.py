"""The loss: UFM penalties against the formula of [A24] in float64, autocast, compilation."""

import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.models import MLP, resnet18
from deepnrc.training.config import TrainingConfig
from deepnrc.training.epoch.objective import make_objective, mean_squared_error
from helpers import seeded

CPU = torch.device("cpu")


def config(**values):
    return TrainingConfig(epochs=1, lr=0.1, **values)


def network(**options):
    return MLP(5, 3, width=8, depth=3, generator=torch.Generator().manual_seed(0), **options)


def data(n=17):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 5, generator=generator), torch.randn(n, 3, generator=generator)


def test_plain_is_the_mean_over_all_entries():
    model, (x, y) = network(), data()
    loss, predictions = make_objective(config(), model, CPU)(model, x, y)
    assert torch.equal(predictions, model(x))
    expected = float((predictions - y).detach().square().sum()) / (17 * 3)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("make", ["mlp", "resnet", "resnet head"])
def test_ufm_is_two_over_t_times_the_papers_loss(make):
    """(1/2M)‖WH + b − Y‖² + (λ_H/2M)‖H‖² + (λ_W/2)‖W‖², times 2/t."""
    if make == "mlp":
        model, (x, y) = network(), data()
        h = torch.relu(torch.relu(x @ model.fc1.weight.T) @ model.fc2.weight.T)
        weight = model.fc3.weight
    else:
        with seeded():
            model = resnet18(3, head=(6,) if make == "resnet head" else ()).eval()
            x, y = torch.randn(4, 3, 32, 32), torch.randn(4, 3)
        readout = model.fc[2] if make == "resnet head" else model.fc
        seen = []
        handle = readout.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
        model(x)
        handle.remove()
        [h], weight = seen, readout.weight
    lambda_h, lambda_w = 0.3, 0.07
    objective = make_objective(config(ufm_lambda_h=lambda_h, ufm_lambda_w=lambda_w), model, CPU)
    loss, predictions = objective(model, x, y)
    m, t = y.shape
    error = (model(x).double() - y.double()).square().sum() / (2 * m)
    penalty = lambda_h / (2 * m) * h.double().square().sum()
    penalty = penalty + lambda_w / 2 * weight.double().square().sum()
    # float32 arithmetic
    assert loss.item() == pytest.approx((2 / t * (error + penalty)).item(), rel=1e-5)
    assert torch.equal(predictions, model(x))


def test_ufm_penalties_reach_the_optimum_that_the_theory_gives():
    """A network free to choose its features ends at the closed form [A24, Theorem 4.1]."""
    s = torch.tensor([2.0, 0.5])
    # Orthogonal inputs make the first layer's output free: M = d samples, H = W1.
    m = 8
    rotation, _ = torch.linalg.qr(torch.randn(m, m, generator=torch.Generator().manual_seed(0)))
    centred = rotation - rotation.mean(0)
    basis, _ = torch.linalg.qr(centred[:, :2])
    y = basis * (m * s).sqrt()  # covariance diag(s), mean 0
    model = MLP(m, 2, width=6, depth=2, activation="identity",
                generator=torch.Generator().manual_seed(3))  # fmt: skip
    lambda_h, lambda_w = 0.2, 0.3
    objective = make_objective(config(ufm_lambda_h=lambda_h, ufm_lambda_w=lambda_w), model, CPU)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=2000, tolerance_grad=1e-9, tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss, _ = objective(model, torch.eye(m), y)
        loss.backward()
        return loss

    optimizer.step(closure)
    c = lambda_h * lambda_w
    best = float((c * s).sqrt().sum()) - c  # L* with both s above c
    assert closure().item() == pytest.approx(2 / 2 * best, rel=1e-4)  # float32 and L-BFGS
    gram = (model.fc2.weight @ model.fc2.weight.T).detach()
    expected = torch.diag((lambda_h / lambda_w) ** 0.5 * (s.sqrt() - c**0.5))
    torch.testing.assert_close(gram, expected, atol=2e-3, rtol=0)


def test_ufm_needs_a_model_that_names_its_last_features():
    model = torch.nn.Linear(5, 3)
    with pytest.raises(ArgumentError, match="ufm_lambda_h needs a model with `features`"):
        make_objective(config(ufm_lambda_h=0.1, ufm_lambda_w=0.1), model, CPU)


def test_bf16_computes_in_bfloat16_and_keeps_float32_weights():
    model, (x, y) = network(), data()
    seen = []
    handle = model.fc2.register_forward_hook(lambda m, args, out: seen.append(out.dtype))
    loss, _ = make_objective(config(precision="bf16"), model, CPU)(model, x, y)
    handle.remove()
    loss.backward()
    assert seen == [torch.bfloat16]
    assert loss.dtype == torch.float32
    assert model.fc2.weight.grad.dtype == torch.float32
    # bfloat16 has 8 bits: a per cent of a loss of order 1
    assert loss.item() == pytest.approx(mean_squared_error(model, x, y)[0].item(), rel=0.02)


@pytest.mark.slow
# torch's own compiler uses a deprecated part of torch.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_compiled_gives_the_same_loss_and_gradient():
    model, (x, y) = network(), data()
    expected, _ = mean_squared_error(model, x, y)
    expected.backward()
    gradient = model.fc1.weight.grad.clone()
    model.zero_grad()
    loss, _ = make_objective(config(compile=True), model, CPU)(model, x, y)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(model.fc1.weight.grad, gradient)
