"""NRC2: linear CKA from moments, against kernels, closed forms and hand-made features."""

import numpy as np
import pytest

from deepnrc.metrics.alignment import linear_cka, signal_target_cka
from deepnrc.metrics.view import Undefined
from reference import alignment
from reference.generators import centered_orthonormal, orthonormal
from twins import view_of


def test_hand_made_features(rng):
    Q = centered_orthonormal(rng, 30, 2)
    view = view_of(Q * [2.0, 1.0], Q[:, :1], k=1)
    assert signal_target_cka(view) == pytest.approx(1, rel=1e-14)
    assert linear_cka(view) == pytest.approx(4 / np.sqrt(17), rel=1e-14)
    assert linear_cka(view_of(Q[:, :1], Q[:, 1:])) == pytest.approx(0, abs=1e-30)


@pytest.mark.parametrize("shape", [(40, 9, 2), (8, 30, 3), (40, 3, 7)])  # also N < d and t > d
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_moments_give_what_kernels_give(rng, shape, mean):
    N, d, t = shape
    H = rng.standard_normal((N, d)) * np.linspace(3, 1, d)
    Y = H[:, : min(d, t)] @ rng.standard_normal((min(d, t), t)) + rng.standard_normal((N, t))
    H, Y = H + mean, Y - mean
    view = view_of(H, Y)
    k = min(t, d)
    assert linear_cka(view) == pytest.approx(alignment.linear_cka(H, Y), rel=1e-10)
    assert signal_target_cka(view) == pytest.approx(alignment.signal_target_cka(H, Y, k), rel=1e-10)


def test_the_deep_linear_models_closed_form_by_depth(rng):
    """Unconstrained deep linear model: singular values x_i, features x_i^{2(l+1)/K} by depth l.

    Targets with eigenvalues s = (2, .6, .25), penalties (.05, .02, .04) and .03; the values are
    the definitions' check, given to six digits.
    """
    s, K = np.array([2, 0.6, 0.25]), 4
    C = 0.03 * 0.05 * 0.02 * 0.04
    x = np.sqrt(s)
    for _ in range(200):  # the larger root of √s − x = C^{1/K} x^{2/K − 1}
        x = np.sqrt(s) - C ** (1 / K) * x ** (2 / K - 1)
    Q = centered_orthonormal(rng, 60, 3)
    Y = Q * np.sqrt(s) @ orthonormal(rng, 3, 3).T
    expected = [0.900411, 0.968750, 0.995690, 0.999706]
    for depth, value in enumerate(expected):
        H = Q * x ** ((depth + 1) / K) @ orthonormal(rng, 12, 3).T + 5
        assert linear_cka(view_of(H, Y)) == pytest.approx(value, abs=6e-7)
        assert signal_target_cka(view_of(H, Y)) == pytest.approx(value, abs=6e-7)


@pytest.mark.parametrize("size", [1e-150, 1e-20, 1e20, 1e150])
def test_the_magnitude_of_features_and_targets_does_not_matter(rng, size):
    """A covariance of 1e300 has a norm whose square overflows; the value read 0."""
    H, Y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    for scaled in (view_of(size * H, Y), view_of(H, size * Y)):
        assert linear_cka(scaled) == pytest.approx(linear_cka(view_of(H, Y)), rel=1e-12)
        assert signal_target_cka(scaled) == pytest.approx(
            signal_target_cka(view_of(H, Y)), rel=1e-12
        )


def test_identical_structure_is_never_above_one(rng):
    for _ in range(50):
        H = rng.standard_normal((20, 3))
        assert linear_cka(view_of(H, H)) <= 1.0


@pytest.mark.parametrize("metric", [linear_cka, signal_target_cka])
def test_constant_features_or_targets_have_no_similarity(rng, metric):
    H = rng.standard_normal((9, 3))
    constant = Undefined("the targets are the same for every sample")
    assert metric(view_of(H, np.full((9, 2), 0.1))) == constant
    dead = Undefined("the layer is dead: its features are 0 for every sample")
    assert metric(view_of(0 * H, H)) == dead
    assert metric(view_of(H[:1], H[:1])) == Undefined("one sample has no variance")
    same = Undefined("the features are the same for every sample")
    assert metric(view_of(0 * H + 1, H, center=False)) == same
