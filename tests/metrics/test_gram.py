"""2024's NRC3: shape of WWᵀ against the targets' covariance, and the γ that suits it best."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.metrics.gram import gram_fit, gram_residual
from deepnrc.metrics.view import Undefined
from reference import last_layer as twin
from reference.generators import orthonormal


def tensor(matrix):
    return torch.as_tensor(np.asarray(matrix), dtype=torch.float64)


def covariance_of(rng, variances):
    Q = orthonormal(rng, len(variances), len(variances))
    return Q @ np.diag(variances) @ Q.T


def fit(W, covariance):
    return gram_fit(tensor(W @ W.T), tensor(covariance))


def minimiser(covariance, c, *, ratio=1.0):
    """W of the unconstrained feature model: WWᵀ = ratio·(Σ^{1/2} − √c I)₊."""
    values, vectors = np.linalg.eigh(covariance)
    kept = np.sqrt(np.clip(np.sqrt(values) - math.sqrt(c), 0, None))
    return math.sqrt(ratio) * vectors @ np.diag(kept) @ vectors.T


# Degenerate


def test_one_target_carries_nothing():
    reason = Undefined("with one target it is 0 for any weight")
    assert fit(np.ones((1, 4)), np.ones((1, 1))) == reason
    assert gram_residual(tensor([[2.0]]), tensor([[1.0]]), 0.5) == reason


def test_a_zero_weight_and_constant_targets():
    assert fit(np.zeros((3, 4)), np.eye(3)) == Undefined("the weight is 0")
    constant = Undefined("the targets are the same for every sample")
    assert fit(np.eye(3), np.zeros((3, 3))) == constant


def test_a_singular_covariance_leaves_gamma_at_0(rng):
    covariance = covariance_of(rng, [2.0, 1.0, 0.0])
    got = fit(rng.standard_normal((3, 5)), covariance)
    assert (got.gamma, got.largest, got.on_end) == (0.0, 0.0, True)


def test_alike_variances_leave_gamma_undefined_but_not_the_residual(rng):
    W = rng.standard_normal((3, 5))
    got = fit(W, 4 * np.eye(3))
    assert math.isnan(got.gamma)
    assert got.on_end is None
    assert got.largest == 4.0
    # S − √γ I is a multiple of I for every γ below the end.
    assert got.residual == pytest.approx(twin.gram_residual(W, 4 * np.eye(3), 1.0), rel=1e-12)
    at_end = gram_residual(tensor(W @ W.T), tensor(4 * np.eye(3)), 4.0)
    assert at_end == Undefined("the targets' covariance is γ I: S − √γ I is 0")


@pytest.mark.parametrize("scale", [1e-90, 1e90])
def test_the_scale_of_weight_and_targets_does_not_count(rng, scale):
    W, covariance = rng.standard_normal((3, 5)), covariance_of(rng, [3.0, 2.0, 1.0])
    expected, got = fit(W, covariance), fit(scale * W, scale * covariance)
    assert got.residual == pytest.approx(expected.residual, rel=1e-12)
    assert got.gamma == pytest.approx(scale * expected.gamma, rel=1e-9)


# Known answers


@pytest.mark.parametrize("c", [1e-6, 0.04, 0.3])
@pytest.mark.parametrize("ratio", [1.0, 7.0])
def test_a_minimiser_of_the_unconstrained_feature_model_has_gamma_c(rng, c, ratio):
    covariance = covariance_of(rng, [2.0, 1.2, 0.5, 0.4])
    got = fit(minimiser(covariance, c, ratio=ratio), covariance)
    assert got.residual <= 1e-12
    assert got.gamma == pytest.approx(c, rel=1e-9)  # eps over √c, as γ is a difference of roots
    assert got.on_end is False


def test_c_at_an_end_is_said(rng):
    covariance = covariance_of(rng, [2.0, 1.2, 0.5])
    at_zero = fit(minimiser(covariance, 0.0), covariance)
    assert (at_zero.gamma, at_zero.on_end) == (pytest.approx(0.0, abs=1e-30), True)
    # Beyond the least eigenvalue the weight has lost a direction: best at the end, not 0.
    beyond = fit(minimiser(covariance, 0.9), covariance)
    assert (beyond.gamma, beyond.on_end) == (beyond.largest, True)
    assert beyond.largest == pytest.approx(0.5, rel=1e-12)
    assert beyond.residual > 1e-3


def test_two_targets_test_eigenvectors_and_anisotropy_only(rng):
    covariance = covariance_of(rng, [2.0, 0.5])
    root = twin.covariance_root(covariance)
    values, vectors = np.linalg.eigh(root)
    for stretched in (values, values**2, values**3):  # at least as anisotropic as S
        W = vectors @ np.diag(np.sqrt(stretched))
        assert fit(W, covariance).residual <= 1e-12
    rounder = vectors @ np.diag(np.sqrt(np.sqrt(values)))
    assert fit(rounder, covariance).residual > 1e-3


# Against the twin


@given(
    t=st.integers(2, 6),
    seed=st.integers(0, 2**16),
    spread=st.sampled_from([1.5, 10.0, 1e4]),
    anti=st.booleans(),
)
def test_closed_form_is_the_best_of_a_grid(t, seed, spread, anti):
    rng = np.random.default_rng(seed)
    covariance = covariance_of(rng, np.geomspace(spread, 1, t))
    W = rng.standard_normal((t, t + 2))
    if not anti:  # near the targets' own shape, so that the minimum is inside for many
        W = twin.covariance_root(covariance) + 0.1 * W[:, :t]
    got = fit(W, covariance)
    expected = twin.best_gamma(W, covariance, points=101)
    least = twin.gram_residual(W, covariance, expected)
    assert got.residual <= least + 1e-12
    assert got.residual == pytest.approx(twin.gram_residual(W, covariance, got.gamma), abs=1e-12)
    assert 0.0 <= got.gamma <= got.largest
    assert got.on_end == (got.gamma in (0.0, got.largest))


@given(share=st.floats(0.0, 1.0), seed=st.integers(0, 2**16))
def test_the_residual_at_any_gamma_is_the_twins(share, seed):
    rng = np.random.default_rng(seed)
    covariance, W = covariance_of(rng, [3.0, 2.0, 1.0]), rng.standard_normal((3, 4))
    got = gram_residual(tensor(W @ W.T), tensor(covariance), share)
    assert got == pytest.approx(twin.gram_residual(W, covariance, share), rel=1e-9)
    assert 0.0 <= got <= 2.0
