"""The record of a last layer: γ asked for later, curves, R² by target, reasons, and the theory."""

import math
import re

import numpy as np
import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.metrics.evaluate_last_layer import last_layer_record
from deepnrc.metrics.view import Undefined
from deepnrc.moments.unit_rows import UnitRowSums
from reference import last_layer as twin
from reference.generators import features_with_spectrum, orthonormal
from twins import view_of


def record(H, Y, W, *, variant="paper2024", predictions=None, **options):
    """The record of a layer, as a pass would make it."""
    H, Y, W = (np.asarray(x, dtype=np.float64) for x in (H, Y, W))
    directions = None
    if variant is not None:
        center = torch.from_numpy(H.mean(0)) if variant == "centred" else None
        sums = UnitRowSums(H.shape[1], center=center, eps=2.0**-52)
        sums.add(torch.from_numpy(H))
        directions = sums.result()
    predictions = H @ W.T if predictions is None else predictions
    return last_layer_record(
        "fc",
        view_of(H, Y, W, **options),
        directions,
        variant=variant,
        squared_errors=tuple(((predictions - Y) ** 2).sum(0).tolist()),
    )


def problem(rng, N=60, d=9, t=3):
    H = rng.standard_normal((N, d)) * np.geomspace(3, 0.3, d)
    Y = H[:, :t] @ rng.standard_normal((t, t)) + rng.standard_normal((N, t)) + 2
    return H, Y, rng.standard_normal((t, d))


def feature_model(rng, c, *, lambda_h=0.02, N=400, d=12, variances=(2.0, 1.2, 0.5), mean=0.0):
    """H, Y and W of an exact minimiser with λ_H λ_W = c, by the closed form."""
    Y = features_with_spectrum(rng, N, len(variances), variances, mean=mean)
    centred = Y - Y.mean(0)
    values, U = np.linalg.eigh(centred.T @ centred / N)
    ratio = math.sqrt(lambda_h**2 / c)  # √(λ_H/λ_W)
    kept = np.sqrt(ratio * np.clip(np.sqrt(values) - math.sqrt(c), 0, None))
    R = orthonormal(rng, d, len(variances)).T
    W = U @ np.diag(kept) @ U.T @ R
    root_inverse = U @ np.diag(values**-0.5) @ U.T
    return centred @ root_inverse @ W / ratio, Y, W


# Theory


@pytest.mark.parametrize("variant", ["paper2024", "centred"])
@pytest.mark.parametrize("c", [1e-4, 0.01, 0.2])
def test_an_exact_minimiser_of_the_feature_model_is_collapsed_with_gamma_c(rng, variant, c):
    H, Y, W = feature_model(rng, c, mean=3.0)
    got = record(H, Y, W, variant=variant, predictions=H @ W.T + Y.mean(0))
    assert got.feature_pca_residual <= 1e-12
    assert got.feature_weight_residual <= 1e-12
    assert got.gram_residual <= 1e-12
    assert got.gamma == pytest.approx(c, rel=1e-9)
    assert got.gamma_share == pytest.approx(c / 0.5, rel=1e-9)
    assert got.gamma_on_end is False
    # The training error is c a target, so R² is 1 − c/variance.
    assert got.r2 == pytest.approx(1 - 3 * c / (2.0 + 1.2 + 0.5), rel=1e-9)


def test_without_regularisation_nothing_collapses(rng):
    """Every full-rank W fits with H = W⁺Y + (I − W⁺W)Z."""
    _, Y, _ = feature_model(rng, 0.01)
    W = rng.standard_normal((3, 12))
    inverse = np.linalg.pinv(W)
    H = Y @ inverse.T + 3 * rng.standard_normal((400, 12)) @ (np.eye(12) - inverse @ W)
    got = record(H, Y, W)
    assert got.r2 == pytest.approx(1.0, abs=1e-12)
    assert got.feature_pca_residual > 0.1
    assert got.feature_weight_residual > 0.1
    assert got.gram_residual > 0.01


# Values


@pytest.mark.parametrize("variant", ["paper2024", "centred"])
def test_values_are_the_twins(rng, variant):
    H, Y, W = problem(rng)
    got = record(H, Y, W, variant=variant)
    centred = variant == "centred"
    assert (got.layer, got.variant, got.width, got.zero_rows) == ("fc", variant, 9, 0)
    assert got.feature_pca_residual == pytest.approx(
        twin.feature_pca_residual(H, 3, centered=centred), rel=1e-10
    )
    assert got.feature_weight_residual == pytest.approx(
        twin.feature_weight_residual(H, W, centered=centred), rel=1e-10
    )
    assert got.chance_residual == pytest.approx(1 - 3 / 9, rel=1e-15)
    covariance = np.cov(Y.T, bias=True)
    np.testing.assert_allclose(got.target_covariance, covariance, rtol=1e-12)
    np.testing.assert_allclose(got.gram, W @ W.T, rtol=1e-12)
    assert got.gram_residual == pytest.approx(
        twin.gram_residual(W, covariance, got.gamma), rel=1e-9
    )
    eigenvalues = np.linalg.eigvalsh(W @ W.T)[::-1]
    np.testing.assert_allclose(got.gram_eigenvalues, eigenvalues, rtol=1e-12)
    ratios = [twin.explained_variance_ratio(H, k) for k in range(1, 10)]
    np.testing.assert_allclose(got.explained_variance_ratios, ratios, rtol=1e-10)
    assert got.r2 == pytest.approx(twin.pooled_r2(Y, H @ W.T), rel=1e-10)
    np.testing.assert_allclose(got.target_r2, twin.r2_by_target(Y, H @ W.T), rtol=1e-10)
    assert got.undefined == {}


def test_without_intercept_the_weight_is_held_against_the_uncentred_moment(rng):
    H, Y, W = problem(rng)
    got = record(H, Y, W, intercept=False)
    np.testing.assert_allclose(got.target_covariance, Y.T @ Y / len(Y), rtol=1e-12)


def test_gamma_can_be_asked_for_later(rng):
    """γ is found on the final weight and kept for the whole curve."""
    H, Y, W = problem(rng)
    got = record(H, Y, W)
    assert got.gram_residual_at(got.gamma) == pytest.approx(got.gram_residual, rel=1e-12)
    for share in (0.0, 0.3, 1.0):
        gamma = share * got.largest_gamma
        expected = twin.gram_residual(W, np.cov(Y.T, bias=True), gamma)
        assert got.gram_residual_at(gamma) == pytest.approx(expected, rel=1e-9)
    curve = got.gram_curve(5)
    assert [share for share, _ in curve] == [0, 0.25, 0.5, 0.75, 1]
    assert curve[1][1] == got.gram_residual_at(0.25 * got.largest_gamma)
    assert min(value for _, value in got.gram_curve()) >= got.gram_residual - 1e-12
    assert len(got.gram_curve()) == 101


@pytest.mark.parametrize("gamma", [-0.1, 1.01, float("nan")])
def test_gamma_out_of_its_range(rng, gamma):
    Y = features_with_spectrum(rng, 30, 2, [2.0, 1.0])
    got = record(rng.standard_normal((30, 5)), Y, rng.standard_normal((2, 5)))
    message = (
        f"gamma must be from 0 to λ_min(Σ_Y) = 1; got {gamma}: take it from a measurement with"
    )
    with pytest.raises(ArgumentError, match=re.escape(message)):
        got.gram_residual_at(gamma)


def test_a_curve_of_one_point(rng):
    got = record(*problem(rng))
    with pytest.raises(ArgumentError, match="points must be at least 2; got 1"):
        got.gram_curve(1)


# What is not defined


def test_not_asked_for(rng):
    got = record(*problem(rng), variant=None)
    reason = "pass last_layer='paper2024' or 'centred' to measure it"
    assert got.undefined == {"feature_pca_residual": reason, "feature_weight_residual": reason}
    assert math.isnan(got.feature_pca_residual)
    assert math.isnan(got.feature_weight_residual)
    assert got.variant is None


def test_one_target(rng):
    got = record(*problem(rng, t=1))
    reason = "with one target it is 0 for any weight"
    assert got.undefined == dict.fromkeys(("gram_residual", "gamma", "gamma_share"), reason)
    assert got.gamma_on_end is None
    assert math.isnan(got.gram_residual_at(0.0))


def test_a_constant_target(rng):
    H, Y, W = problem(rng)
    Y[:, 1] = 4.0
    got = record(H, Y, W)
    reason = "the target is the same for every sample"
    singular = "the targets' covariance is singular: γ can only be 0"
    assert got.undefined == {"target_r2[1]": reason, "gamma_share": singular}
    assert math.isnan(got.target_r2[1])
    assert not math.isnan(got.target_r2[0])
    assert (got.gamma, got.gamma_on_end) == (0.0, True)


def test_all_targets_constant(rng):
    H, _, W = problem(rng)
    got = record(H, np.full((60, 3), 2.0), W)
    assert got.undefined["r2"] == "the target is the same for every sample"
    assert got.undefined["gram_residual"] == "the targets are the same for every sample"


def test_alike_variances(rng):
    Y = features_with_spectrum(rng, 60, 3, [1.0, 1.0, 1.0])
    got = record(rng.standard_normal((60, 6)), Y, rng.standard_normal((3, 6)))
    reason = "the targets' variances are all equal: every γ gives the same value"
    assert got.undefined == {"gamma": reason, "gamma_share": reason}
    assert got.gram_residual > 0


def test_as_many_targets_as_features(rng):
    got = record(*problem(rng, d=3))
    reason = "3 directions fill the layer's width 3: no direction is outside them"
    names = ("feature_pca_residual", "feature_weight_residual", "chance_residual")
    assert got.undefined == dict.fromkeys(names, reason)


def test_a_dead_layer(rng):
    _, Y, W = problem(rng)
    got = record(np.zeros((60, 9)), Y, W)
    reason = "the layer is dead: its features are 0 for every sample"
    assert got.undefined["explained_variance_ratios"] == reason
    assert got.undefined["feature_pca_residual"] == reason
    assert got.explained_variance_ratios == ()
    assert got.zero_rows == 60
    assert got.gram_residual > 0  # it needs no features


def test_errors_that_are_not_known(rng):
    H, Y, W = problem(rng)
    got = last_layer_record(
        "fc",
        view_of(H, Y, W),
        None,
        variant=None,
        squared_errors=Undefined("no tensor"),
    )
    assert got.undefined["r2"] == got.undefined["target_r2[2]"] == "no tensor"
    assert all(map(math.isnan, (got.r2, *got.target_r2)))
