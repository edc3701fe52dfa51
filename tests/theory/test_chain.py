"""The descent on chains of factors: its derivatives, its exact steps and its statuses."""

import numpy as np
import pytest
import torch

from deepnrc.theory import chain
from deepnrc.theory.chain import SolverStatus, alternate, newton, without_samples


def random_factors(rng, shapes):
    return [rng.standard_normal(shape) for shape in shapes]


SHAPES = [
    [(3, 5), (2, 3)],
    [(3, 5), (4, 3), (2, 4)],
    [(2, 4), (2, 2), (3, 2), (2, 3), (3, 2)],
]


def torch_objective(factors, T, lam):
    out = factors[0]
    for factor in factors[1:]:
        out = factor @ out
    prices = [value * factor.square().sum() for value, factor in zip(lam, factors, strict=True)]
    return 0.5 * (out - T).square().sum() + 0.5 * sum(prices)


def flat_objective(shapes, T, lam):
    """The objective of the flat vector of √λ F, for torch's derivatives."""

    def evaluate(vector):
        parts, start = [], 0
        for (rows, columns), value in zip(shapes, lam, strict=True):
            piece = vector[start : start + rows * columns]
            parts.append(piece.reshape(rows, columns) / float(np.sqrt(value)))
            start += rows * columns
        return torch_objective(parts, torch.tensor(T), lam)

    return evaluate


@pytest.mark.parametrize("shapes", SHAPES)
def test_gradient_and_hessian_are_those_of_autograd(rng, shapes):
    factors = random_factors(rng, shapes)
    lam = rng.uniform(0.1, 2, len(shapes))
    T = rng.standard_normal((shapes[-1][0], shapes[0][1]))
    flat = np.concatenate([(np.sqrt(v) * f).ravel() for v, f in zip(lam, factors, strict=True)])
    evaluate, vector = flat_objective(shapes, T, lam), torch.tensor(flat, requires_grad=True)
    value = evaluate(vector)
    assert chain._objective(factors, T, lam) == pytest.approx(value.item(), rel=1e-13)
    (gradient,) = torch.autograd.grad(value, vector)
    size = float(gradient.abs().max())
    assert chain._gradient(factors, T, lam) == pytest.approx(gradient.numpy(), abs=1e-12 * size)
    hessian = torch.autograd.functional.hessian(evaluate, vector).numpy()
    assert chain._hessian(factors, T, lam) == pytest.approx(
        hessian, abs=1e-12 * np.abs(hessian).max()
    )


@pytest.mark.parametrize("shapes", SHAPES)
def test_a_sweep_minimizes_over_its_last_factor_exactly_and_lowers_the_loss(rng, shapes):
    factors = random_factors(rng, shapes)
    lam = rng.uniform(0.1, 2, len(shapes))
    T = rng.standard_normal((shapes[-1][0], shapes[0][1]))
    losses = [chain._objective(factors, T, lam)]
    for _ in range(4):
        factors = alternate(factors, T, lam, 1)
        losses.append(chain._objective(factors, T, lam))
        last = chain._gradient(factors, T, lam)[-factors[-1].size :]
        assert np.abs(last).max() < 1e-11 * losses[0]
    assert (np.diff(losses) <= 0).all()


def test_no_sweeps_change_nothing_and_the_start_is_not_overwritten(rng):
    factors = random_factors(rng, SHAPES[1])
    before = [factor.copy() for factor in factors]
    same = alternate(factors, np.ones((2, 5)), np.ones(3), 0)
    alternate(factors, np.ones((2, 5)), np.ones(3), 3)
    newton(factors, np.ones((2, 5)), np.ones(3), 3)
    for factor, kept, unmoved in zip(factors, before, same, strict=True):
        assert (factor == kept).all()
        assert (unmoved == kept).all()


ZERO_PAIR = [np.zeros((1, 1)), np.zeros((1, 1))]
ZERO_TRIPLE = [np.zeros((1, 1))] * 3
LAM = np.array([0.1, 0.1])


def test_zero_is_a_saddle_of_two_factors_and_newton_leaves_it():
    T = np.ones((1, 1))
    stuck = newton(ZERO_PAIR, T, LAM, 0)
    assert stuck.status is SolverStatus.SADDLE
    assert stuck.gradient == 0
    assert stuck.curvature == pytest.approx(1 - 1 / 0.1)  # 1 ∓ √s/√c
    assert (stuck.loss, stuck.iterations) == (0.5, 0)
    free = newton(ZERO_PAIR, T, LAM, 100)
    assert free.status is SolverStatus.CONVERGED
    assert free.loss == pytest.approx(0.1 - 0.1**2 / 2, rel=1e-14)  # √(cs) − c/2
    assert free.iterations > 0


def test_zero_is_a_minimum_of_three_factors():
    run = newton(ZERO_TRIPLE, np.ones((1, 1)), np.array([0.1] * 3), 100)
    assert run.status is SolverStatus.CONVERGED
    assert (run.loss, run.curvature, run.iterations) == (0.5, 1, 0)


def test_too_few_steps_say_so(rng):
    factors = random_factors(rng, SHAPES[1])
    T = rng.standard_normal((2, 5))
    lam = np.array([0.1, 0.2, 0.05])
    run = newton(factors, T, lam, 3)
    assert run.status is SolverStatus.MAX_ITERATIONS
    assert run.iterations == 3
    assert run.gradient > 1e-9
    done = newton(factors, T, lam, 200)
    assert done.status is SolverStatus.CONVERGED
    assert done.gradient < 1e-12
    assert done.iterations < 40  # and it stops where only rounding is left


def test_constant_targets_lead_to_zero(rng):
    run = newton(random_factors(rng, SHAPES[1]), np.zeros((2, 5)), np.ones(3), 100)
    assert run.status is SolverStatus.CONVERGED
    assert run.loss == pytest.approx(0, abs=1e-20)


def test_statuses_read_as_words():
    assert [str(status) for status in SolverStatus] == [
        "converged",
        "stalled at a saddle",
        "max iterations",
    ]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_gradient_is_free_of_units(scale):
    run = newton([np.zeros((2, 2))], scale * np.eye(2), np.array([0.25]), 0)
    assert run.gradient == pytest.approx(2)  # ‖T‖/√λ over ‖T‖
    assert run.status is SolverStatus.MAX_ITERATIONS


def test_too_few_escapes_leave_it_on_a_saddle():
    stuck = newton(ZERO_PAIR, np.ones((1, 1)), LAM, 100, max_escapes=0)
    assert (stuck.status, stuck.escapes) == (SolverStatus.SADDLE, 0)
    free = newton(ZERO_PAIR, np.ones((1, 1)), LAM, 100, max_escapes=1)
    assert (free.status, free.escapes) == (SolverStatus.CONVERGED, 1)


def test_a_gradient_limit_that_rounding_cannot_reach(rng):
    run = newton(
        random_factors(rng, SHAPES[1]), np.ones((2, 5)), np.ones(3), 50, gradient_limit=0.0
    )
    assert run.status is SolverStatus.MAX_ITERATIONS


@pytest.mark.parametrize("shape", [(7, 3), (2, 3), (3, 3)])
def test_without_samples_the_minimum_is_the_same(rng, shape):
    Y = rng.standard_normal(shape)
    T, Q = without_samples(Y)
    assert np.sqrt(len(Y)) * Q @ T.T == pytest.approx(Y, abs=1e-14)
    assert T.shape[1] == min(shape)
    lam = np.array([0.1, 0.2])
    W = rng.standard_normal((3, 3))
    small = newton(alternate([np.zeros((3, T.shape[1])), W], T, lam, 20), T, lam, 100)
    whole = Y.T / np.sqrt(len(Y))
    full = newton(alternate([np.zeros((3, len(Y))), W], whole, lam, 20), whole, lam, 100)
    assert small.loss == pytest.approx(full.loss, rel=1e-13)
    # The features of the reduced problem are those of the whole one, up to a rotation.
    H, whole_H = small.factors[0] @ Q.T, full.factors[0]
    assert pytest.approx(whole_H.T @ whole_H, abs=1e-9) == H.T @ H


def test_a_quartic_minimum_is_reached():
    """λ_1 λ_2 = s: the loss is quartic, and its curvature vanishes with the gradient."""
    start = [np.full((3, 2), 0.5), np.full((2, 3), -0.4)]
    lam = np.array([1e-3, 1e3])
    run = newton(alternate(start, np.eye(2), lam, 20), np.eye(2), lam, 200)
    assert run.status is SolverStatus.CONVERGED
    assert run.loss == pytest.approx(1, rel=1e-12)  # nothing is kept
    # A gradient of 1e-13 leaves a weight of its cube root, 5e-5, so a Gram of 2e-9.
    assert np.abs(run.factors[1]).max() ** 2 * 1e3 < 1e-6
