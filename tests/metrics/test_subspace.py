"""NRC3 and noise alignment: hand-set weights, the twins, caps, and the level of chance."""

import math

import numpy as np
import pytest

from deepnrc.metrics.subspace import (
    feature_weight_alignment,
    noise_weight_alignment,
    random_alignment,
)
from deepnrc.metrics.view import Undefined
from reference import subspace
from reference.generators import centered_orthonormal
from twins import view_of

ONES = np.ones((30, 1))


def test_identical_orthogonal_and_tilted_weights(rng):
    H = centered_orthonormal(rng, 30, 4) * [4.0, 3.0, 0.2, 0.1]  # signal e1, e2; noise e3, e4
    e = np.eye(4)
    tilted = np.stack([e[0], np.cos(0.3) * e[1] + np.sin(0.3) * e[2]])
    for W, aligned, noise in (
        (e[[1, 0]], 1, 0),
        (e[2:], 0, 1),
        (tilted, (1 + np.cos(0.3)) / 2, np.sin(0.3) / 2),
        (np.vstack([e[:2], 1e-3 * e[2:]]), 1, 0),  # only the leading directions of W count
    ):
        view = view_of(H, ONES, W, k=2)
        assert feature_weight_alignment(view) == pytest.approx(aligned, abs=1e-13)
        assert noise_weight_alignment(view) == pytest.approx(noise, abs=1e-13)


@pytest.mark.parametrize("shape", [(40, 9, 12, 2), (8, 30, 5, 3), (300, 90, 100, 5)])
@pytest.mark.parametrize("mean", [0.0, 1e6])
@pytest.mark.parametrize("center", [True, False])
def test_agrees_with_the_twins(rng, shape, mean, center):
    N, d, p, k = shape
    mean = mean if center else mean / 10  # at 1e6, uncentred, no 5 directions lead to rounding
    H = rng.standard_normal((N, d)) * np.linspace(3, 1, d) + mean * rng.standard_normal(d)
    W = rng.standard_normal((p, d))
    view = view_of(H, np.ones((N, 1)), W, k=k, center=center)
    # Uncentred, a mean of 1e5 leaves the other directions eps·1e10 of precision.
    rtol = 1e-10 if center or mean == 0 else 1e-3
    assert feature_weight_alignment(view) == pytest.approx(
        subspace.feature_weight_alignment(H, W, k, centered=center), rel=rtol
    )
    if center:  # the twin's noise directions are the covariance's
        assert noise_weight_alignment(view) == pytest.approx(
            subspace.noise_weight_alignment(H, W, k), rel=rtol
        )


def test_the_mean_direction_counts_when_uncentred(rng):
    H = centered_orthonormal(rng, 30, 3) * [3.0, 2.0, 1.0] + [0, 0, 100]
    W = [[0.0, 0, 1]]
    assert feature_weight_alignment(view_of(H, ONES, W)) == pytest.approx(0, abs=1e-12)
    uncentred = view_of(H, ONES, W, center=False)
    assert feature_weight_alignment(uncentred) == pytest.approx(1, abs=1e-6)
    assert noise_weight_alignment(uncentred) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("spread", "weight", "k"),
    [
        ([3, 2, 1, 1], [[1, 0, 0, 0], [2, 0, 0, 0]], 1),  # by the weight's rank
        ([3, 0, 0, 0], np.diag([4, 3, 2, 1]), 1),  # by the features' rank
        ([3, 2, 1, 0.5], np.diag([4, 3, 2, 1]), 3),
    ],
)
def test_alignment_counts_only_the_ranks_of_features_and_weight(rng, spread, weight, k):
    H = centered_orthonormal(rng, 30, 4) * spread
    view = view_of(H, ONES, weight, k=3)
    assert view.alignment_rank == k
    assert feature_weight_alignment(view) == pytest.approx(
        subspace.feature_weight_alignment(H, weight, k), rel=1e-12
    )


def test_there_are_only_as_many_angles_as_noise_directions(rng):
    H = centered_orthonormal(rng, 30, 3) * [3.0, 2.0, 1.0]
    weight = [[1.0, 0, 0], [0, 0, 2.0]]  # one direction of noise, and the weight reads it
    assert noise_weight_alignment(view_of(H, ONES, weight, k=2)) == pytest.approx(1, rel=1e-13)


def test_a_weight_of_single_precision_has_the_rank_it_had_before_rounding(rng):
    W = (rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))).astype(np.float32)
    view = view_of(rng.standard_normal((50, 30)), np.ones((50, 1)), W, k=5, weight_eps=1.2e-7)
    assert view.alignment_rank == 2


def test_what_has_no_directions_is_undefined(rng):
    H = rng.standard_normal((30, 3))
    zero = view_of(H, ONES, np.zeros((2, 3)))
    same = view_of(0 * H + 1, ONES)
    for metric in (feature_weight_alignment, noise_weight_alignment):
        assert metric(zero) == Undefined("the weight is 0")
        assert metric(same) == Undefined("the features are the same for every sample")
    full = view_of(H, ONES, k=3)
    reason = "the signal rank 3 fills the layer's width 3: "
    assert feature_weight_alignment(full) == Undefined(reason + "any weight reads all of it")
    assert noise_weight_alignment(full) == Undefined(reason + "no noise subspace")


def test_constant_features_have_a_mean_direction_uncentred():
    view = view_of(np.ones((30, 4)), ONES, [[1.0, 1, 1, 1]], center=False)
    assert feature_weight_alignment(view) == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize(("width", "k"), [(5, 2), (12, 3), (40, 3), (60, 12), (7, 6)])
def test_chance_is_what_random_subspaces_give(width, k):
    # Two digits: 300 draws of the twin have a standard error of .003 at the most.
    expected = subspace.random_alignment(width, k, 300, seed=1)
    assert random_alignment(width, k) == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("width", [2, 3, 5, 30, 1000])
def test_chance_of_one_direction_is_exact(width):
    """Mean |cos| of two lines in R^d: Γ(d/2)/(√π Γ((d+1)/2)), about √(2/(πd))."""
    exact = math.exp(math.lgamma(width / 2) - math.lgamma((width + 1) / 2)) / math.sqrt(math.pi)
    assert random_alignment(width, 1) == pytest.approx(exact, rel=0.04)  # 2000 draws: 1.7 %
    assert exact == pytest.approx(math.sqrt(2 / (math.pi * width)), rel=0.4 / width)


def test_chance_is_the_same_at_every_call_and_one_for_whole_spaces():
    first = random_alignment(64, 4)
    random_alignment.cache_clear()
    assert random_alignment(64, 4) == first
    assert random_alignment(6, 6) == 1.0


@pytest.mark.parametrize(("width", "k"), [(256, 1), (256, 10), (64, 32), (10, 9)])
def test_chance_is_between_point_eight_and_one_times_the_root(width, k):
    assert 0.79 <= random_alignment(width, k) / math.sqrt(k / width) <= 1.0
