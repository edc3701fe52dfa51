"""2024's NRC1 and NRC2: how far unit rows lie from principal components and from W's rows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.metrics.unit_rows import feature_pca_residual, feature_weight_residual
from deepnrc.metrics.view import Undefined
from deepnrc.moments.unit_rows import UnitRowSums
from reference import last_layer as twin
from reference.generators import collapsed_problem, orthonormal
from twins import view_of


def directions_of(H, *, centred=False):
    H = torch.as_tensor(H, dtype=torch.float64)
    center = H.mean(0) if centred else None
    sums = UnitRowSums(H.shape[1], center=center, eps=2.0**-52 if centred else 0.0)
    sums.add(H)
    return sums.result()


def both(H, Y, W, *, centred):
    view, directions = view_of(H, Y, W), directions_of(H, centred=centred)
    return feature_pca_residual(view, directions), feature_weight_residual(view, directions)


# Degenerate


def test_no_direction_outside():
    H, Y = np.eye(3) + np.arange(3), np.eye(3)
    reason = Undefined("3 directions fill the layer's width 3: no direction is outside them")
    assert both(H, Y, np.eye(3), centred=False) == (reason, reason)


def test_constant_features():
    pca, row_space = both(np.ones((5, 4)), np.eye(5)[:, :2], np.eye(2, 4), centred=True)
    assert pca == Undefined("the features are the same for every sample")
    assert row_space == Undefined("no row has a direction")
    # Uncentred they have one, and the weight reads half of it.
    pca, row_space = both(np.ones((5, 4)), np.eye(5)[:, :2], np.eye(2, 4), centred=False)
    assert pca == Undefined("the features are the same for every sample")
    assert row_space == pytest.approx(0.5, rel=1e-12)


def test_a_dead_layer_and_a_zero_weight(rng):
    Y = rng.standard_normal((5, 2))
    pca, row_space = both(np.zeros((5, 4)), Y, np.eye(2, 4), centred=False)
    assert pca == Undefined("the layer is dead: its features are 0 for every sample")
    assert row_space == Undefined("no row has a direction")
    H = rng.standard_normal((5, 4))
    assert both(H, Y, np.zeros((2, 4)), centred=False)[1] == Undefined("the weight is 0")


def test_a_weight_that_lost_rank_reads_only_what_it_has(rng):
    """(WWᵀ)⁻¹ would be rounding here."""
    H, Y = rng.standard_normal((40, 6)), rng.standard_normal((40, 3))
    W = np.outer(np.ones(3), rng.standard_normal(6))
    got = both(H, Y, W, centred=False)[1]
    assert got == pytest.approx(twin.feature_weight_residual(H, W), rel=1e-10)
    line = W[0] / np.linalg.norm(W[0])
    assert both(np.outer(rng.standard_normal(40), line), Y, W, centred=False)[1] <= 1e-14


def test_features_of_lower_rank_than_the_targets(rng):
    """The third component would be arbitrary and could catch part of the mean."""
    H = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 6)) + rng.standard_normal(6)
    got = both(H, rng.standard_normal((40, 3)), np.eye(3, 6), centred=False)[0]
    assert got == pytest.approx(twin.feature_pca_residual(H, 2), rel=1e-9)


# Known answers


@pytest.mark.parametrize("centred", [False, True])
def test_collapsed_features_leave_nothing_outside(rng, centred):
    H, Y, W = collapsed_problem(rng, 50, 12, 3, noise=0.0)
    for residual in both(H, Y, W, centred=centred):
        assert residual <= 1e-14


def test_a_plane_that_misses_the_origin_separates_the_variants(rng):
    H, Y, W = collapsed_problem(rng, 200, 12, 3, noise=0.0)
    away = orthonormal(rng, 12, 12)[:, 0]
    H = H + 10 * away
    pca, row_space = both(H, Y, W, centred=True)
    assert max(pca, row_space) <= 1e-12
    pca, row_space = both(H, Y, W, centred=False)
    assert min(pca, row_space) > 0.4


def test_chance_level(rng):
    H, Y = rng.standard_normal((4000, 20)), rng.standard_normal((4000, 5))
    row_space = both(H, Y, rng.standard_normal((5, 20)), centred=False)[1]
    assert row_space == pytest.approx(1 - 5 / 20, abs=0.02)  # 4000 rows: 0.003 standard deviation


# Against the twin, and invariances


@given(
    N=st.integers(6, 40),
    d=st.integers(4, 12),
    t=st.integers(1, 3),
    seed=st.integers(0, 2**16),
    centred=st.booleans(),
    mean=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_residuals_are_the_twins(N, d, t, seed, centred, mean):
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((N, d)) * np.geomspace(3, 0.3, d) + mean
    Y, W = rng.standard_normal((N, t)), rng.standard_normal((t, d))
    pca, row_space = both(H, Y, W, centred=centred)
    # Rounding of the mean, 1e-14, is larger against rows that nearly equal it.
    assert pca == pytest.approx(twin.feature_pca_residual(H, t, centered=centred), abs=1e-9)
    assert row_space == pytest.approx(
        twin.feature_weight_residual(H, W, centered=centred), abs=1e-9
    )
    assert 0.0 <= min(pca, row_space) <= max(pca, row_space) <= 1.0


@pytest.mark.parametrize("centred", [False, True])
def test_rotations_and_scales_change_nothing(rng, centred):
    H, Y, W = collapsed_problem(rng, 60, 9, 3, noise=0.4)
    expected = both(H, Y, W, centred=centred)
    Q, R = orthonormal(rng, 9, 9), orthonormal(rng, 3, 3)
    for changed in (
        (H @ Q, Y, W @ Q),
        (-3 * H, Y, 0.01 * W),
        (H, Y @ R, R @ W),
        (H[::-1].copy(), Y, W),
    ):
        assert both(*changed, centred=centred) == pytest.approx(expected, rel=1e-10)
