"""The closed form of deep UFMs against brute force and against the factors it builds."""

import math

import numpy as np
import pytest

from deepnrc.theory import deep_ufm_optimum
from reference import alignment, deep_ufm, features, spectrum, subspace
from reference.generators import centered_orthonormal, orthonormal

PROBLEMS = [
    ([2.0, 1.1, 0.6], [0.05], 0.02, 3),
    ([2.0, 1.1, 0.6], [0.05, 0.02], 0.1, 3),
    ([2.0, 1.1, 0.3], [0.5, 0.002, 0.04], 0.03, 5),  # the third is dropped
    ([2.0, 2.0, 0.7, 0.7], [0.05, 0.02], 0.01, 4),
    ([1.0, 0.5, 0.0], [0.01, 0.3, 0.001, 0.2], 0.03, 4),
    ([1.5], [0.1, 0.02, 0.03], 0.2, 2),
    ([3.0, 2.0, 1.0, 0.9], [0.05] * 8, 0.05, 6),
]


@pytest.fixture(params=PROBLEMS, ids=lambda p: f"{len(p[0])}-{len(p[1])}")
def problem(request, rng):
    roots, lambdas, lambda_h, width = request.param
    t = len(roots)
    built = deep_ufm.built_optimum(
        rng,
        centered_orthonormal(rng, t + 4, t),
        orthonormal(rng, t, t),
        np.array(roots),
        lambdas,
        lambda_h,
        width,
    )
    return built, lambdas, lambda_h


def optimum(problem, **options):
    built, lambdas, lambda_h = problem
    covariance = built.Y.T @ built.Y / len(built.Y)
    return deep_ufm_optimum(covariance, lambdas=lambdas, lambda_h=lambda_h, **options)


def predictions(built):
    out = built.H
    for W in built.weights:
        out = out @ W.T
    return out


def test_kept_values_and_loss_are_those_of_brute_force(problem):
    built, lambdas, lambda_h = problem
    deep = optimum(problem)
    assert deep.singular_values.numpy() == pytest.approx(built.x, rel=1e-12, abs=1e-14)
    assert deep.rank == np.count_nonzero(built.x)
    literal = deep_ufm.objective(built.Y, built.H, built.weights, lambdas, lambda_h)
    assert deep.loss == pytest.approx(literal, rel=1e-12)
    residual = built.Y - predictions(built)
    assert deep.mse == pytest.approx((residual**2).sum() / len(residual), rel=1e-11)
    assert deep.r2 == pytest.approx(1 - (residual**2).sum() / (built.Y**2).sum(), rel=1e-12)
    assert deep.residual_covariance.numpy() == pytest.approx(
        residual.T @ residual / len(residual), abs=1e-13
    )


def test_grams_and_feature_spectra_are_those_of_the_built_factors(problem):
    built, lambdas, _ = problem
    deep = optimum(problem)
    t, H = built.Y.shape[1], built.H
    assert deep.grams[-1].numpy() == pytest.approx(
        built.weights[-1] @ built.weights[-1].T, rel=1e-10, abs=1e-12
    )
    for i in range(len(lambdas)):
        values = np.linalg.svd(built.weights[i], compute_uv=False)[:t] ** 2
        assert deep.weight_spectra[i].numpy() == pytest.approx(values, rel=1e-10, abs=1e-12)
        assert deep.grams[i].numpy() == pytest.approx(
            deep_ufm.seen_from_the_targets(built.weights, i + 1), rel=1e-9, abs=1e-11
        )
        assert deep.feature_spectra[i].numpy() == pytest.approx(
            features.covariance_eigenvalues(H)[:t], rel=1e-10, abs=1e-12
        )
        H = H @ built.weights[i].T
    assert deep.feature_spectra[-1].numpy() == pytest.approx(
        features.covariance_eigenvalues(H)[:t], rel=1e-10, abs=1e-12
    )
    assert deep.feature_spectra[-1].numpy() == pytest.approx(
        deep.singular_values.numpy() ** 2, rel=1e-12
    )


@pytest.mark.parametrize("k", [1, 2, 3, None])
def test_predicted_metrics_are_those_of_the_built_features(problem, k):
    built, lambdas, _ = problem
    t, H = built.Y.shape[1], built.H
    k = min(k, t) if k else None
    deep = optimum(problem, signal_rank=k)
    k = k or t
    assert deep.signal_rank == k
    cut = k < t and built.x[k] > 0 and built.x[k - 1] == built.x[k]
    assert bool(deep.undefined) == cut
    for i in range(len(lambdas)):
        W = built.weights[i]
        assert float(deep.cka_by_depth[i]) == pytest.approx(
            alignment.linear_cka(H, built.Y), rel=1e-11
        )
        assert float(deep.noise_component[i]) == pytest.approx(
            spectrum.noise_component(H, k), rel=1e-9, abs=1e-13
        )
        assert float(deep.signal_target_cka[i]) == pytest.approx(
            alignment.signal_target_cka(H, built.Y, k), rel=1e-11
        )
        if cut:
            assert math.isnan(deep.feature_weight_alignment[i])
        else:
            assert deep.feature_weight_alignment[i] == 1
            live = min(k, deep.rank)  # what is dropped has no directions
            assert subspace.feature_weight_alignment(H, W, live) == pytest.approx(1, rel=1e-10)
        H = H @ W.T
    assert float(deep.cka_by_depth[-1]) == pytest.approx(alignment.linear_cka(H, built.Y))


def test_a_cut_between_equal_eigenvalues_leaves_nrc3_undefined():
    deep = deep_ufm_optimum(
        np.diag([2.0, 1, 1]), lambdas=[0.05, 0.05], lambda_h=0.05, signal_rank=2
    )
    assert deep.feature_weight_alignment.isnan().all()
    assert not deep.noise_component.isnan().any()
    assert not deep.signal_target_cka.isnan().any()
    assert deep.undefined == (
        "eigenvalues 2 and 3 of the targets are equal, so that the top-2 subspace is not unique: "
        "NRC3 is undefined"
    )


def test_a_cut_between_dropped_directions_is_capped_at_the_rank():
    deep = deep_ufm_optimum(
        np.diag([2.0, 0, 0]), lambdas=[0.05, 0.05], lambda_h=0.05, signal_rank=2
    )
    assert deep.feature_weight_alignment.tolist() == [1, 1]
    assert deep.undefined == ""
