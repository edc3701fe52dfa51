"""The closed form against a solver that knows only the objective."""

import math

import numpy as np
import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.theory import (
    SolverStatus,
    minimize_ufm,
    targets_with_covariance,
    ufm_optimum,
)
from reference import ufm as twin

SIGMA = [[2.0, 0.6], [0.6, 1.0]]


def agrees(problem, seed):
    """Relative errors of loss and Gram, after the solver has converged."""
    best = ufm_optimum(
        problem.covariance,
        lambda_h=problem.lambda_h,
        lambda_w=problem.lambda_w,
        target_mean=problem.mean,
        bias=problem.bias,
    )
    found = minimize_ufm(
        twin.targets(problem.covariance, problem.mean),
        lambda_h=problem.lambda_h,
        lambda_w=problem.lambda_w,
        width=problem.width,
        bias=problem.bias,
        seed=seed,
    )
    assert found.status is SolverStatus.CONVERGED
    # A Gram matrix of 0, or of next to nothing as c is next to s_1, is compared with what it would
    # be without shrinkage.
    unshrunk = math.sqrt(problem.lambda_h / problem.lambda_w) * float(best.eigenvalues[0].sqrt())
    size = float(torch.linalg.matrix_norm(best.gram))
    size = size if size > 1e-3 * unshrunk else unshrunk
    gram_error = float(torch.linalg.matrix_norm(found.gram - best.gram)) / size
    return best.regime, abs(found.loss - best.loss) / best.loss, gram_error


def check(count, seed):
    rng = np.random.default_rng(seed)
    found = [agrees(twin.random_problem(rng), i) for i in range(count)]
    regimes, losses, grams = zip(*found, strict=True)
    assert {regime.value for regime in regimes} == {"full rank", "low rank", "zero"}
    # The loss is flat at its minimum and known to 1e-14; where c meets an eigenvalue it is quartic
    # in W, and a gradient of 1e-13 leaves 1e-8 of the Gram matrix.
    assert max(losses) <= 1e-9
    assert max(grams) <= 1e-6


def test_closed_form_and_solver_agree_on_50_problems():
    check(50, seed=1)


@pytest.mark.slow
def test_closed_form_and_solver_agree_on_500_problems():
    check(500, seed=2)


@pytest.mark.parametrize("lambda_h", [1.0, 4.0])  # c = s_2 and c = s_1, exactly
def test_a_threshold_met_exactly(lambda_h):
    sigma = [[4.0, 0.0], [0.0, 1.0]]
    best = ufm_optimum(sigma, lambda_h=lambda_h, lambda_w=1.0)
    found = minimize_ufm(targets_with_covariance(sigma), lambda_h=lambda_h, lambda_w=1.0)
    assert best.rank == (1 if lambda_h == 1 else 0)
    assert found.loss == pytest.approx(best.loss, rel=1e-12)
    assert found.gram.numpy() == pytest.approx(best.gram.numpy(), abs=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_the_solution_is_consistent(rng, bias):
    Y = rng.standard_normal((30, 3)) + 2
    found = minimize_ufm(Y, lambda_h=0.05, lambda_w=0.2, width=5, bias=bias)
    H, W, b = found.features.numpy(), found.weight.numpy(), found.bias.numpy()
    assert W.shape == (3, 5)
    assert H.shape == (30, 5)
    assert b == pytest.approx(Y.mean(axis=0) if bias else 0, abs=1e-15)
    assert found.loss == pytest.approx(twin.objective(H, W, b, Y, 0.05, 0.2), rel=1e-12)
    for _ in range(20):  # a small step any way only raises it
        step = [1e-4 * rng.standard_normal(a.shape) for a in (H, W, b if bias else b[:0])]
        moved_b = b + step[2] if bias else b
        assert twin.objective(H + step[0], W + step[1], moved_b, Y, 0.05, 0.2) >= found.loss


def test_narrow_features_find_the_best_of_their_rank():
    """With d < t the model keeps the d strongest directions; the closed form is for d ≥ rank."""
    sigma = np.diag([3.0, 1.0, 0.5])
    found = minimize_ufm(twin.targets(sigma), lambda_h=0.1, lambda_w=0.1, width=1)
    assert found.status is SolverStatus.CONVERGED
    assert found.loss == pytest.approx(np.sqrt(0.01 * 3) - 0.005 + 0.75, rel=1e-12)


def test_it_leaves_saddles():
    Y = targets_with_covariance(SIGMA)
    best = ufm_optimum(SIGMA, lambda_h=0.02, lambda_w=0.05)
    found = minimize_ufm(Y, lambda_h=0.02, lambda_w=0.05, start=torch.zeros(2, 3))
    assert found.status is SolverStatus.CONVERGED
    assert found.escapes == 2  # one for each direction
    assert found.loss == pytest.approx(best.loss, rel=1e-12)


def test_or_says_that_it_is_at_one():
    Y = targets_with_covariance(SIGMA)
    found = minimize_ufm(
        Y, lambda_h=0.02, lambda_w=0.05, start=torch.zeros(2, 2), max_escapes=0
    )  # fmt: skip
    assert found.status is SolverStatus.SADDLE
    assert found.loss == pytest.approx(1.5)  # half the variance: nothing is learned


def test_it_says_when_it_has_not_arrived():
    Y = targets_with_covariance(SIGMA)
    found = minimize_ufm(Y, lambda_h=0.02, lambda_w=0.05, tolerance=1e-300, max_steps=3)
    assert found.status is SolverStatus.MAX_ITERATIONS
    assert found.gradient > 1e-300


def test_constant_targets_need_nothing():
    found = minimize_ufm(np.full((4, 2), 7.0), lambda_h=0.1, lambda_w=0.1)
    assert found.status is SolverStatus.CONVERGED
    assert found.loss == pytest.approx(0, abs=1e-20)
    assert found.bias.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("name", ["lambda_h", "lambda_w"])
def test_penalties_must_be_positive(name, value):
    penalties = {"lambda_h": 0.1, "lambda_w": 0.1, name: value}
    message = f"{name} must be positive and finite; got {value:g}"
    with pytest.raises(ArgumentError, match=message):
        minimize_ufm([[1.0], [2.0]], **penalties)


def test_shapes_are_checked():
    with pytest.raises(ArgumentError, match="width must be at least 1; got 0"):
        minimize_ufm([[1.0], [2.0]], lambda_h=1.0, lambda_w=1.0, width=0)
    with pytest.raises(ArgumentError, match=r"start must have 1 row; got shape \(2, 3\)"):
        minimize_ufm([[1.0], [2.0]], lambda_h=1.0, lambda_w=1.0, start=torch.zeros(2, 3))
    with pytest.raises(ArgumentError, match=r"start must have 2 columns; got shape \(1, 3\)"):
        minimize_ufm([[1.0], [2.0]], lambda_h=1.0, lambda_w=1.0, width=2, start=torch.zeros(1, 3))
