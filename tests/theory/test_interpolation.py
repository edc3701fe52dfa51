"""Zero regularization: exact fits in which nothing collapses."""

import numpy as np
import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.theory import sample_interpolating, target_moments, ufm_optimum
from reference import last_layer
from reference import ufm as twin


@pytest.fixture
def targets(rng):
    return rng.standard_normal((60, 3)) @ np.diag([2.0, 1.0, 0.5]) + 1


def drawn(targets, generator, **options):
    return sample_interpolating(targets, generator=generator, **{"width": 8, **options})


@pytest.mark.parametrize("bias", [True, False])
def test_every_draw_fits_exactly(targets, generator, bias):
    for _ in range(10):
        found = drawn(targets, generator, bias=bias)
        H, W, b = (a.numpy() for a in (found.features, found.weight, found.bias))
        assert pytest.approx(targets, abs=1e-11) == H @ W.T + b
        assert b == pytest.approx(targets.mean(axis=0) if bias else np.zeros(3))
        assert twin.objective(H, W, b, targets, 0, 0) < 1e-22
        assert found.gram.numpy() == pytest.approx(W @ W.T)


def test_none_of_the_three_conditions_of_2024_holds(targets, generator):
    covariance = target_moments(targets)[1].numpy()
    for _ in range(10):
        found = drawn(targets, generator)
        H, W = found.features.numpy(), found.weight.numpy()
        assert last_layer.feature_pca_residual(H, 3) > 0.05
        assert last_layer.feature_weight_residual(H, W) > 0.05
        gamma = last_layer.best_gamma(W, covariance, points=101)
        assert last_layer.gram_residual(W, covariance, gamma) > 0.05


def test_draws_differ_and_a_seed_repeats_them(targets):
    def first(seed):
        return drawn(targets, torch.Generator().manual_seed(seed)).weight

    assert torch.equal(first(0), first(0))
    assert not torch.allclose(first(0), first(1))


def test_the_free_part_is_what_the_weight_does_not_see(targets, generator):
    found = drawn(targets, generator, free_scale=0.0)
    H, W = found.features.numpy(), found.weight.numpy()
    assert last_layer.feature_weight_residual(H, W, centered=False) < 1e-25
    assert np.linalg.matrix_rank(H) == 3
    more = drawn(targets, generator, weight=W, free_scale=5.0).features.numpy()
    assert (more - H) @ W.T == pytest.approx(np.zeros((60, 3)), abs=1e-12)
    assert np.std(more) > 2 * np.std(H)


def test_a_given_weight_is_kept_and_the_limit_of_small_penalties_is_one_of_the_family(targets):
    mean, covariance = target_moments(targets)
    limit = ufm_optimum(covariance, lambda_h=1e-12, lambda_w=1e-12, target_mean=mean)
    found = sample_interpolating(
        targets,
        width=3,
        generator=torch.Generator(),
        weight=limit.weight(),
        free_scale=0.0,
    )
    assert torch.equal(found.weight, limit.weight())
    # √c = 1e-12 of the smallest √s = .5 is what the penalties still cost.
    assert found.features.numpy() == pytest.approx(limit.features(targets).numpy(), abs=1e-10)


def test_what_cannot_fit(targets, generator):
    with pytest.raises(ArgumentError, match="width must be at least the number of targets, 3, for"):
        drawn(targets, generator, width=2)
    with pytest.raises(ArgumentError, match=r"weight must have 8 columns; got shape \(3, 4\)"):
        drawn(targets, generator, weight=np.ones((3, 4)))
    with pytest.raises(ArgumentError, match="weight must have rank 3; got linearly dependent rows"):
        drawn(targets, generator, weight=np.ones((3, 8)))
