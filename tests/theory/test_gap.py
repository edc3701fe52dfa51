"""Theory beside a network: the excess of its loss in two parts, Gram error, effective c."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.theory import (
    objective,
    profiled_objective,
    relative_gram_error,
    theory_gap,
    ufm_optimum,
)
from reference import ufm as twin
from reference.generators import orthonormal

SIGMA = np.array([[2.0, 0.6], [0.6, 1.0]])
PENALTIES = {"lambda_h": 0.02, "lambda_w": 0.05}


def gap_of(W, H, Y, **penalties):
    residual = H @ W.T - Y
    return theory_gap(
        W,
        Y.T @ Y / len(Y),
        mse=float(np.sum(residual**2) / len(Y)),
        feature_energy=float(np.sum(H**2) / len(Y)),
        **penalties,
    )


def test_at_the_optimum_nothing_is_left(rng):
    Y = twin.targets(SIGMA)
    best = ufm_optimum(SIGMA, **PENALTIES)
    R = orthonormal(rng, 5, 2).T
    gap = gap_of(best.weight(R).numpy(), best.features(Y, R).numpy(), Y, **PENALTIES)
    assert gap.optimum.loss == pytest.approx(best.loss)
    assert gap.loss == pytest.approx(best.loss, rel=1e-12)
    assert gap.feature_slack == pytest.approx(0, abs=1e-15)
    assert gap.head_slack == pytest.approx(0, abs=1e-15)
    assert gap.relative_gram_error < 1e-14
    assert gap.effective_c == pytest.approx(0.001, rel=1e-9)
    assert gap.error_c == pytest.approx(0.001, rel=1e-12)
    assert gap.undefined == {}


@given(st.integers(0, 2**32 - 1), st.floats(-3, 1), st.floats(-3, 1))
def test_the_excess_splits_into_features_and_head(seed, log_h, log_w):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((3, 4))
    Y, W = twin.targets(A @ A.T), rng.standard_normal((3, 5))
    H = rng.standard_normal((6, 5))
    penalties = {"lambda_h": 10**log_h, "lambda_w": 10**log_w}
    gap = gap_of(W, H, Y, **penalties)
    best_H = twin.best_features(W, np.zeros(3), Y, penalties["lambda_h"])
    profiled = twin.objective(best_H, W, np.zeros(3), Y, *penalties.values())
    assert gap.loss == pytest.approx(twin.objective(H, W, np.zeros(3), Y, *penalties.values()))
    assert gap.profiled_loss == pytest.approx(profiled, rel=1e-9)
    assert gap.feature_slack >= -1e-12
    assert gap.head_slack >= -1e-12
    total = gap.optimum.loss + gap.feature_slack + gap.head_slack
    assert total == pytest.approx(gap.loss, rel=1e-12)


def test_objective_is_the_theory_s_convention():
    W = [[3.0, 4.0]]
    found = objective(W, mse=2.0, feature_energy=6.0, lambda_h=0.5, lambda_w=0.1)
    assert found == pytest.approx(1 + 1.5 + 1.25)


def test_profiled_objective_without_penalties_is_what_the_weight_cannot_reach():
    assert profiled_objective(np.eye(2), SIGMA, lambda_h=0.0, lambda_w=0.0) == 0
    rank_one = [[1.0, 0.0], [0.0, 0.0]]
    found = profiled_objective(rank_one, SIGMA, lambda_h=0.0, lambda_w=0.5)
    assert found == pytest.approx(0.5 + 0.25)  # ½·Σ_22, and ½·½·‖W‖²
    assert profiled_objective(np.zeros((2, 3)), SIGMA, **PENALTIES) == pytest.approx(1.5)


def test_profiled_objective_refuses_the_infinite():
    with pytest.raises(ArgumentError, match="lambda_w must be 0 or positive and finite; got inf"):
        profiled_objective(np.eye(2), SIGMA, lambda_h=0.1, lambda_w=math.inf)
    with pytest.raises(ArgumentError, match="lambda_h must be 0 or positive and finite; got -1"):
        profiled_objective(np.eye(2), SIGMA, lambda_h=-1.0, lambda_w=0.1)


def test_relative_gram_error(rng):
    best = ufm_optimum(SIGMA, **PENALTIES)
    W = best.weight(orthonormal(rng, 4, 2).T)
    assert relative_gram_error(math.sqrt(1.5) * W, best) == pytest.approx(0.5)
    assert relative_gram_error(0 * W, best) == pytest.approx(1.0)
    nothing = ufm_optimum(SIGMA, lambda_h=9.0, lambda_w=9.0)
    assert math.isnan(relative_gram_error(W, nothing))
    with pytest.raises(ArgumentError, match="weight must have 2 rows; got shape"):
        relative_gram_error(np.eye(3), best)


def test_undefined_parts_of_a_gap_say_why():
    gap = theory_gap(np.zeros((2, 2)), SIGMA, mse=3.0, feature_energy=0.0, **PENALTIES)
    assert gap.relative_gram_error == pytest.approx(1)
    assert gap.undefined == {
        "effective_c": "no single c gives a Gram matrix of this shape",
        "error_c": "the error is not below the targets' variance",
    }
    gap = theory_gap(
        np.eye(2), SIGMA, mse=1.0, feature_energy=1.0, lambda_h=9.0, lambda_w=9.0
    )  # fmt: skip
    assert gap.undefined["relative_gram_error"] == "the optimal W is 0"
    gap = theory_gap(
        np.eye(2), SIGMA, mse=1.0, feature_energy=1.0, lambda_h=0.0, lambda_w=0.0
    )  # fmt: skip
    assert gap.undefined["relative_gram_error"].startswith("both penalties are 0")
    assert gap.loss == 0.5
    assert gap.head_slack == 0


def test_shapes_are_checked():
    with pytest.raises(ArgumentError, match=r"weight must have 2 rows; got shape \(3, 3\)"):
        theory_gap(np.eye(3), SIGMA, mse=1.0, feature_energy=1.0, **PENALTIES)
