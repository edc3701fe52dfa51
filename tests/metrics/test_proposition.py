"""Proposition 1 of [RU26]: both sides, where it holds and where not, and a bound that does."""

import numpy as np
import pytest
import torch

from deepnrc.metrics.proposition import Proposition1, proposition_1, spectral_bound
from deepnrc.metrics.view import Undefined
from reference.generators import centered_orthonormal, collapsed_problem
from reference.proposition import least_explained
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
    assert found.published == pytest.approx(rhs, rel=1e-10)
    assert found.holds == (lhs <= rhs)


def test_tight_where_the_noise_is_all_there_is(rng):
    Q = centered_orthonormal(rng, 30, 2)
    found = proposition_1(view_of(Q * [2.0, 1.0], Q[:, :1]))
    assert found.residual == pytest.approx(np.sqrt(1 / 5), rel=1e-13)
    assert found.published == pytest.approx(np.sqrt(1 / 5), abs=ROOT_OF_ROUNDING)
    assert found.holds


def test_the_published_bound_fails_on_uneven_spectra(rng):
    """H = (q1, √.1 q2), Y = (q1, √.1 q3): CKA weighs q2 by its variance squared."""
    Q = centered_orthonormal(rng, 30, 3)
    H, Y = Q * np.sqrt([1, 0.1, 0]), Q[:, [0, 2]] * np.sqrt([1, 0.1])
    found = proposition_1(view_of(H, Y, k=2))
    assert found.residual == pytest.approx(np.sqrt(0.1 / 1.1), rel=1e-12)  # .302
    assert found.published == pytest.approx(np.sqrt(1 - 1 / 1.01), abs=ROOT_OF_ROUNDING)  # .0995
    assert not found.holds


@pytest.mark.parametrize("seed", range(30))
def test_it_holds_for_exact_collapse_though_both_sides_are_rounding(seed):
    rng = np.random.default_rng(seed)
    H, Y, _ = collapsed_problem(rng, 60, 12, 2, 0.0, feature_mean=5.0)
    found = proposition_1(view_of(H, Y))
    assert found.residual <= ROOT_OF_ROUNDING
    assert found.published <= ROOT_OF_ROUNDING
    assert found.holds


def test_rounding_does_not_decide():
    assert Proposition1(5e-8, 0.0, 0.0).holds
    assert not Proposition1(5e-7, 0.0, 0.0).holds


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


def random_problem(rng):
    """Features and targets of unlike units, related or not, of full or low rank."""
    N, d, t = (int(x) for x in rng.integers([4, 2, 1], [40, 10, 6]))
    H = rng.standard_normal((N, d)) * 10.0 ** rng.uniform(-3, 3, d)
    Y = rng.standard_normal((N, t)) * 10.0 ** rng.uniform(-3, 3, t)
    if rng.random() < 0.6:
        Y = H @ rng.standard_normal((d, t)) + Y * 10.0 ** rng.uniform(-8, 0)
    if rng.random() < 0.3:
        H = Y @ rng.standard_normal((t, d)) + H * 10.0 ** rng.uniform(-12, 0)
    return H, Y, int(rng.integers(1, min(t, d - 1) + 1))


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_spectral_bound_holds_in_random_problems(count):
    rng = np.random.default_rng(0)
    published_fails = 0
    for _ in range(count):
        H, Y, k = random_problem(rng)
        found = proposition_1(view_of(H, Y, k=k))
        if not isinstance(found, Undefined):
            assert found.residual <= found.spectral
            published_fails += not found.holds
    assert published_fails >= count / 500  # so that the problems tell the two bounds apart


@pytest.mark.parametrize("seed", range(40))
def test_the_spectral_bound_solves_the_linear_program(seed):
    """Its closed form against a solver that minimizes over all matrices of squared cosines."""
    rng = np.random.default_rng(seed)
    λ = np.sort(rng.exponential(size=rng.integers(1, 6)))[::-1]
    μ = np.sort(rng.exponential(size=rng.integers(1, 6)))[::-1]
    count = min(len(λ), len(μ))
    shared = rng.uniform(0, 1) * λ[:count] @ μ[:count]
    noise = rng.uniform(0, 1)
    expected = noise + (1 - noise) * (1 - least_explained(λ, μ, shared) / λ.sum())
    found = spectral_bound(noise, torch.tensor(λ.copy()), torch.tensor(μ.copy()), shared)
    assert found**2 == pytest.approx(expected, abs=1e-8)  # of the solver


def test_the_spectral_bound_is_attained(rng):
    """Features that share their first direction whole, and half of their second."""
    Q = centered_orthonormal(rng, 30, 4)
    angle = 0.7
    second = np.cos(angle) * Q[:, 1] + np.sin(angle) * Q[:, 2]
    H = np.stack([2 * Q[:, 0], 1.5 * second, 0.3 * Q[:, 3]], 1)
    Y = Q[:, :2] * [3.0, 1.0]
    found = proposition_1(view_of(H, Y, k=2))
    assert found.residual == pytest.approx(found.spectral, rel=1e-12)


def test_the_spectral_bound_is_tight_where_nrc2_is_1(rng):
    Q = centered_orthonormal(rng, 30, 3)
    H = np.c_[Q[:, :2] * [2.0, 0.1], 0.05 * Q[:, 2]]
    found = proposition_1(view_of(H, Q[:, :2] * [20.0, 1.0]))
    # The bound allows for a rounding of 2e-14, over the smaller eigenvalue's share of 1/400.
    assert found.residual == pytest.approx(np.sqrt(0.0025 / 4.0125), rel=1e-9)
    assert found.spectral == pytest.approx(found.residual, rel=1e-7)


def test_the_spectral_bound_says_nothing_where_nothing_is_shared():
    one = torch.ones(2, dtype=torch.float64)
    assert spectral_bound(0.3, one, one, 0.0) == 1.0
