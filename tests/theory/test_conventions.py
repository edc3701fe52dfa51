"""Penalties of a script and of the theory: by gradients, by training, by the rules."""

import math

import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.theory import Convention, UFMPenalties, targets_with_covariance, ufm_optimum

SIGMA = [[2.0, 0.6], [0.6, 1.0]]


def theory_gradients(W, H, Y, penalties):
    """Of (1/2N)‖HWᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖²."""
    N = len(Y)
    loss = ((H @ W.T - Y).square().sum() + penalties.lambda_h * H.square().sum()) / (2 * N)
    return torch.autograd.grad(loss + penalties.lambda_w / 2 * W.square().sum(), (W, H))


SCRIPTS = [
    (loss, reduction)
    for loss in ("mse", "half_mse")
    for reduction in ("mean", "sample_mean", "sum")
]


def script_loss(prediction, Y, loss, reduction):
    entries = (prediction - Y).square()
    half = 0.5 if loss == "half_mse" else 1.0
    if reduction == "mean":
        return half * torch.nn.functional.mse_loss(prediction, Y)
    if reduction == "sum":
        return half * torch.nn.functional.mse_loss(prediction, Y, reduction="sum")
    return half * entries.sum(dim=1).mean()


@pytest.fixture
def problem(generator):
    W = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    H = torch.randn(10, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    return W, H, torch.randn(10, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("loss", "reduction"), SCRIPTS)
@pytest.mark.parametrize("decayed", [True, False])
def test_gradients_of_the_script_are_those_of_the_theory(problem, loss, reduction, decayed):
    """Times the factor. W by the optimizer's decay or a term; H as parameters or by a term."""
    W, H, Y = problem
    convention = Convention(
        target_dim=3, loss=loss, reduction=reduction, batch_size=10 if reduction == "sum" else None
    )
    total = script_loss(H @ W.T, Y, loss, reduction)
    if decayed:
        penalties = convention.to_ufm(weight_decay=0.3, feature_decay=0.02, samples=10)
        extra = 0.3 / 2 * W.square().sum() + 0.02 / 2 * H.square().sum()
    else:
        penalties = convention.to_ufm(weight_penalty=0.3, feature_penalty=0.02)
        extra = 0.3 * W.square().sum() + 0.02 * H.square().sum(dim=1).mean()
    found = torch.autograd.grad(total + extra, (W, H))
    for ours, theirs in zip(theory_gradients(W, H, Y, penalties), found, strict=True):
        torch.testing.assert_close(ours, convention.factor * theirs)


@pytest.mark.parametrize(("loss", "reduction"), SCRIPTS)
def test_there_and_back(loss, reduction):
    convention = Convention(target_dim=3, loss=loss, reduction=reduction, batch_size=16)
    found = convention.to_ufm(weight_decay=0.3, feature_penalty=0.02)
    assert convention.weight_decay(found) == pytest.approx(0.3)
    assert convention.feature_penalty(found) == pytest.approx(0.02)
    found = convention.to_ufm(weight_penalty=0.3, feature_decay=0.02, samples=50)
    assert convention.weight_penalty(found) == pytest.approx(0.3)
    assert convention.feature_decay(found, samples=50) == pytest.approx(0.02)


def test_the_rules():
    """λ_W = t·wd/2 for MSELoss with SGD; explicit λ‖·‖²: λ_eff = tλ, c_eff = t²λ_Hλ_W."""
    convention = Convention(target_dim=4)
    assert convention.to_ufm(weight_decay=0.01).lambda_w == pytest.approx(0.02)
    explicit = convention.to_ufm(weight_penalty=0.1, feature_penalty=0.03)
    assert (explicit.lambda_w, explicit.lambda_h) == pytest.approx((0.4, 0.12))
    assert explicit.c == pytest.approx(16 * 0.1 * 0.03)


def test_without_a_feature_penalty_c_is_not_known():
    found = Convention(target_dim=2).to_ufm(weight_decay=0.01)
    assert math.isnan(found.lambda_h)
    assert math.isnan(found.c)


@pytest.mark.parametrize(("optimizer", "lr"), [("SGD", 0.3), ("Adam", 0.03)])
def test_training_ends_where_the_conversion_says(generator, optimizer, lr):
    """Free W and H under MSELoss and weight_decay: SGD's and Adam's decay have the same minimum."""
    gram, expected = trained(generator, optimizer, lr)
    # As near as 2000 steps bring it; a factor of 2 in a penalty would be off by 0.1 and more.
    torch.testing.assert_close(gram, expected, rtol=0, atol=1e-3)


def test_decoupled_decay_ends_elsewhere(generator):
    """Why AdamW is refused: its decay is not on the scale of the gradient."""
    gram, expected = trained(generator, "AdamW", 0.03)
    assert float((gram - expected).norm() / expected.norm()) > 0.1


def trained(generator, optimizer, lr, steps=2000):
    Y = targets_with_covariance(SIGMA)
    W = torch.randn(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    H = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    decay = [{"params": [W], "weight_decay": 0.05}, {"params": [H], "weight_decay": 0.01}]
    optimizer = getattr(torch.optim, optimizer)(decay, lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 1e-4 ** max(2 * step / steps - 1, 0)
    )
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(H @ W.T, Y).backward()
        optimizer.step()
        schedule.step()
    penalties = Convention(target_dim=2).to_ufm(weight_decay=0.05, feature_decay=0.01, samples=4)
    best = ufm_optimum(SIGMA, lambda_h=penalties.lambda_h, lambda_w=penalties.lambda_w)
    return (W @ W.T).detach(), best.gram


@pytest.mark.parametrize("optimizer", ["AdamW", "adamw", "Lion", "Muon"])
def test_decoupled_decay_is_refused(optimizer):
    message = f"adds its weight decay to the gradient; got '{optimizer}', .* no equivalent λ"
    with pytest.raises(ArgumentError, match=message):
        Convention(target_dim=2, optimizer=optimizer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "lbfgs"}, "optimizer must be one of sgd, adam, .*got 'lbfgs'"),
        ({"loss": "huber"}, "loss must be one of mse, half_mse; got 'huber': the theory is of"),
        ({"reduction": "none"}, "reduction must be one of mean, sample_mean, sum; got 'none'"),
        ({"reduction": "sum"}, "batch_size must be at least 1; got None"),
        ({"reduction": "sum", "batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"target_dim": 0}, "target_dim must be at least 1; got 0"),
    ],
)
def test_what_is_no_convention(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Convention(**{"target_dim": 2, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"give weight_decay \(the optimizer's\) or weight_penalty .*; got None and None"),
        ({"weight_decay": 0.1, "weight_penalty": 0.2}, "one of the two; got 0.1 and 0.2"),
        ({"weight_decay": -0.1}, "weight_decay must be 0 or positive; got -0.1"),
        ({"weight_penalty": math.nan}, "weight_penalty must be 0 or positive; got nan"),
        ({"weight_decay": 0.1, "feature_penalty": -1.0}, "feature_penalty must be 0 or positive"),
        (
            {"weight_decay": 0.1, "feature_penalty": 0.1, "feature_decay": 0.2},
            r"give feature_penalty .* or feature_decay .*, not both; got 0.1 and 0.2",
        ),
        (
            {"weight_decay": 0.1, "feature_decay": 0.2},
            "samples must be at least 1; got None",
        ),
    ],
)
def test_what_cannot_be_converted(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Convention(target_dim=2).to_ufm(**arguments)


def test_back_without_a_feature_penalty():
    with pytest.raises(ArgumentError, match="lambda_h must be 0 or positive; got nan"):
        Convention(target_dim=2).feature_penalty(UFMPenalties(math.nan, 0.1))
