"""Closed form beside solver: agreement in every regime, and disagreement where one is wrong."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.theory import SolverStatus, check, deep_ufm_optimum
from deepnrc.theory.check import check_deep_ufm, check_ufm

SIGMA = [[2.0, 0.6], [0.6, 1.0]]
DEEP = {"lambdas": [0.05, 0.02], "lambda_h": 0.03}


@pytest.mark.parametrize(
    ("penalties", "rank"), [((0.02, 0.05), 2), ((0.8, 1.2), 1), ((3.0, 2.0), 0)]
)
def test_the_plain_model_in_every_regime(penalties, rank):
    found = check_ufm(SIGMA, lambda_h=penalties[0], lambda_w=penalties[1], seeds=3)
    assert found.agrees
    assert found.rank == found.solver_rank == rank
    assert found.solver_statuses == (SolverStatus.CONVERGED,) * 3
    assert found.solver_losses == pytest.approx([found.loss] * 3, rel=1e-12)
    assert found.solver_gram.numpy() == pytest.approx(found.gram.numpy(), abs=1e-9)


def test_a_mean_and_no_bias():
    found = check_ufm(
        SIGMA, lambda_h=0.1, lambda_w=0.1, target_mean=[1.0, -2.0], bias=False, seeds=1
    )
    assert found.agrees
    moment = np.array(SIGMA) + np.outer([1, -2], [1, -2])
    assert found.loss == pytest.approx(check_ufm(moment, lambda_h=0.1, lambda_w=0.1, seeds=1).loss)


@pytest.mark.parametrize("lambdas", [[0.05], [0.05, 0.02], [0.3, 0.05, 0.02]])
def test_the_deep_model(lambdas):
    found = check_deep_ufm(np.diag([2.0, 0.6]), lambdas=lambdas, lambda_h=0.03, seeds=2)
    assert found.agrees
    assert found.loss_difference < 1e-12
    assert found.gram_difference < 1e-9


def test_constant_targets():
    found = check_ufm([[0.0]], lambda_h=0.1, lambda_w=0.1, seeds=1)
    assert (found.agrees, found.loss, found.rank, found.solver_rank) == (True, 0, 0, 0)


def test_at_the_threshold_of_the_deep_model_only_the_loss_is_compared():
    s = deep_ufm_optimum([[1.0]], **DEEP).threshold ** 2
    found = check_deep_ufm([[s]], **DEEP, seeds=1)
    assert found.agrees
    assert math.isnan(found.gram_difference)
    assert "–: a direction is at the threshold, where two minima have the same loss" in str(found)
    for plain in (  # c = s: of one weight the minimum is unique
        check_ufm([[0.04]], lambda_h=0.2, lambda_w=0.2, seeds=1),
        check_deep_ufm([[0.04]], lambdas=[0.2], lambda_h=0.2, seeds=1),
    ):
        assert plain.gram_difference < 1e-6


def wrong(optimum, **changes):
    return lambda *args, **kwargs: dataclasses.replace(optimum(*args, **kwargs), **changes)


def test_a_wrong_loss_is_found(monkeypatch):
    right = check_ufm(SIGMA, lambda_h=0.02, lambda_w=0.05, seeds=1)
    for factor in (1 - 1e-8, 1 + 1e-8):
        changed = wrong(check.ufm_optimum, loss=right.loss * factor)
        monkeypatch.setattr(check, "ufm_optimum", changed)
        found = check_ufm(SIGMA, lambda_h=0.02, lambda_w=0.05, seeds=1)
        assert not found.agrees
        assert found.loss_difference == pytest.approx(1e-8, rel=1e-4)
        assert str(found).endswith("The solver DOES NOT AGREE with the closed form.")
        monkeypatch.undo()
    assert right.agrees


def test_a_wrong_gram_matrix_is_found(monkeypatch):
    right = check_deep_ufm(SIGMA, **DEEP, seeds=1)
    grams = deep_ufm_optimum(SIGMA, **DEEP).grams * (1 + 1e-5)
    monkeypatch.setattr(check, "deep_ufm_optimum", wrong(check.deep_ufm_optimum, grams=grams))
    found = check_deep_ufm(SIGMA, **DEEP, seeds=1)
    size = float(right.gram.norm()) / (right.loss / 0.02)
    assert found.gram_difference == pytest.approx(1e-5 * size, rel=1e-4)
    assert not found.agrees


def test_a_solver_that_did_not_arrive_proves_nothing(monkeypatch):
    stopped = wrong(check.minimize_ufm, status=SolverStatus.MAX_ITERATIONS)
    monkeypatch.setattr(check, "minimize_ufm", stopped)
    found = check_ufm(SIGMA, lambda_h=0.02, lambda_w=0.05, seeds=2)
    assert not found.agrees
    assert "seed 1: 0.07357378692, max iterations" in str(found)


def test_a_solver_that_returns_nan_does_not_agree(monkeypatch):
    nan = torch.full((2, 2), math.nan, dtype=torch.float64)
    monkeypatch.setattr(check, "minimize_ufm", wrong(check.minimize_ufm, weight=nan))
    assert not check_ufm(SIGMA, lambda_h=0.02, lambda_w=0.05, seeds=1).agrees


def test_the_lowest_of_the_seeds_counts(monkeypatch):
    best = check.minimize_ufm

    def solver(*args, seed, **kwargs):
        found = best(*args, seed=seed, **kwargs)
        return found if seed == 1 else dataclasses.replace(found, loss=2 * found.loss)

    monkeypatch.setattr(check, "minimize_ufm", solver)
    assert check_ufm(SIGMA, lambda_h=0.02, lambda_w=0.05, seeds=3).agrees
    assert not check_ufm(SIGMA, lambda_h=0.02, lambda_w=0.05, seeds=1).agrees


def test_wide_gram_matrices_are_not_printed():
    text = str(check_ufm(np.diag(np.arange(1.0, 8)), lambda_h=0.02, lambda_w=0.05, seeds=1))
    assert "W Wᵀ in closed form" not in text
    assert "seed 0: " in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1; got 0"),
        ({"lambda_h": math.inf}, "lambda_h must be positive and finite; got inf"),
    ],
)
def test_arguments_that_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        check_ufm([[1.0]], **{"lambda_h": 0.1, "lambda_w": 0.1, "seeds": 1} | options)


def test_without_penalties_there_is_nothing_to_solve():
    with pytest.raises(ArgumentError, match="lambda_h must be positive and finite; got 0"):
        check_ufm([[1.0]], lambda_h=0.0, lambda_w=0.0)
