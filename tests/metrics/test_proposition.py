"""Proposition 1 of [RU26]: both sides, where it holds and where it does not."""

import numpy as np
import pytest

from deepnrc.metrics.proposition import Proposition1, proposition_1
from deepnrc.metrics.view import Undefined
from reference.generators import centered_orthonormal, collapsed_problem
from reference.proposition import proposition_1 as twin
from twins import view_of

ROOT_OF_ROUNDING = 1e-7  # both sides are roots of differences known to a few 1e-15


@pytest.mark.parametrize("shape", [(40, 9, 2), (8, 30, 3), (60, 5, 4)])
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_both_sides_agree_with_the_twin(rng, shape, mean):
    N, d, t = shape
    H, Y = rng.standard_normal((N, d)) + mean, rng.standard_normal((N, t)) - mean
    found, (lhs, rhs) = proposition_1(view_of(H, Y)), twin(H, Y, t)
    assert found.residual == pytest.approx(lhs, rel=1e-10)
    assert found.bound == pytest.approx(rhs, rel=1e-10)
    assert found.holds == (lhs <= rhs)


def test_tight_where_the_noise_is_all_there_is(rng):
    Q = centered_orthonormal(rng, 30, 2)
    found = proposition_1(view_of(Q * [2.0, 1.0], Q[:, :1]))
    assert found.residual == pytest.approx(np.sqrt(1 / 5), rel=1e-13)
    assert found.bound == pytest.approx(np.sqrt(1 / 5), abs=ROOT_OF_ROUNDING)
    assert found.holds


def test_the_published_bound_fails_on_uneven_spectra(rng):
    """H = (q1, √.1 q2), Y = (q1, √.1 q3): CKA weighs q2 by its variance squared."""
    Q = centered_orthonormal(rng, 30, 3)
    H, Y = Q * np.sqrt([1, 0.1, 0]), Q[:, [0, 2]] * np.sqrt([1, 0.1])
    found = proposition_1(view_of(H, Y, k=2))
    assert found.residual == pytest.approx(np.sqrt(0.1 / 1.1), rel=1e-12)  # .302
    assert found.bound == pytest.approx(np.sqrt(1 - 1 / 1.01), abs=ROOT_OF_ROUNDING)  # .0995
    assert not found.holds


@pytest.mark.parametrize("seed", range(30))
def test_it_holds_for_exact_collapse_though_both_sides_are_rounding(seed):
    rng = np.random.default_rng(seed)
    H, Y, _ = collapsed_problem(rng, 60, 12, 2, 0.0, feature_mean=5.0)
    found = proposition_1(view_of(H, Y))
    assert found.residual <= ROOT_OF_ROUNDING
    assert found.bound <= ROOT_OF_ROUNDING
    assert found.holds


def test_rounding_does_not_decide():
    assert Proposition1(5e-8, 0.0).holds
    assert not Proposition1(5e-7, 0.0).holds


@pytest.mark.parametrize("seed", range(10))
def test_targets_of_low_rank_are_projected_on_their_own_directions(seed):
    """Directions of rounding would divide by eigenvalues of rounding."""
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 5)) + 100
    H = rng.standard_normal((40, 6))
    found, (lhs, _) = proposition_1(view_of(H, Y, k=1)), twin(H, Y, 1)
    assert found.residual == pytest.approx(lhs, rel=1e-10)


def test_it_is_about_centred_features_whatever_the_view(rng):
    H, Y = rng.standard_normal((40, 6)) + 10, rng.standard_normal((40, 2))
    assert proposition_1(view_of(H, Y, center=False)) == proposition_1(view_of(H, Y))


def test_undefined_with_its_ingredients(rng):
    H, Y = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    reason = "the targets are the same for every sample"
    assert proposition_1(view_of(H, 0 * Y)) == Undefined(reason)
    reason = "the layer is dead: its features are 0 for every sample"
    assert proposition_1(view_of(0 * H, Y)) == Undefined(reason)
    reason = "the signal rank 3 fills the layer's width 3: no direction is left for noise"
    assert proposition_1(view_of(H, Y, k=3)) == Undefined(reason)
