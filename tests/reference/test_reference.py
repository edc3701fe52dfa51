"""Known answers, by hand, for the reference twins of [RU26, Table 1]."""

import numpy as np
import pytest
import torch

from reference import alignment, features, mlp, prediction, rows, spectrum, subspace
from reference.generators import (
    centered_orthonormal,
    collapsed_problem,
    features_with_spectrum,
    orthonormal,
)
from reference.proposition import proposition_1


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("mean", "rtol"), [(0.0, 1e-12), (1e6, 1e-8)])  # data rounded to 1e-10
def test_prescribed_spectrum_is_recovered(rng, mean, rtol):
    H = features_with_spectrum(rng, 50, 6, [4.0, 2.0, 1.0, 1.0], mean=mean)
    np.testing.assert_allclose(
        features.covariance_eigenvalues(H), [4, 2, 1, 1, 0, 0], rtol=rtol, atol=rtol
    )
    assert spectrum.noise_component(H, 2) == pytest.approx(2 / 8, rel=rtol)
    assert spectrum.stable_rank(H) == pytest.approx(8 / 4, rel=rtol)
    assert spectrum.covariance_stable_rank(H) == pytest.approx(22 / 16, rel=rtol)
    assert spectrum.participation_ratio(H) == pytest.approx(64 / 22, rel=rtol)
    # p = 1/2, 1/4, 1/8, 1/8 has 1.75 bits of entropy
    assert spectrum.entropy_rank(H) == pytest.approx(2**1.75, rel=1e-7)
    assert [spectrum.energy_rank(H, f) for f in (0.4, 0.7, 0.8, 0.99)] == [1, 2, 3, 4]


def test_centering_twice_leaves_no_mean(rng):
    H = rng.standard_normal((3000, 4)) + 1e6  # once leaves 1e-9
    np.testing.assert_allclose(features.center(H).mean(axis=0), 0, atol=1e-14)


def test_a_small_tail_is_not_lost(rng):
    H = features_with_spectrum(rng, 50, 6, [1.0, 1e-20])
    assert spectrum.noise_component(H, 1) == pytest.approx(1e-20, rel=1e-3, abs=0)


def test_fewer_samples_than_features_pads_with_zeros(rng):
    H = features_with_spectrum(rng, 4, 9, [3.0, 2.0, 1.0])
    np.testing.assert_allclose(features.covariance_eigenvalues(H), [3, 2, 1] + 6 * [0], atol=1e-12)
    U = features.top_subspace(H, 7)
    np.testing.assert_allclose(U.T @ U, np.eye(7), atol=1e-12)


def test_rank_one_has_every_rank_one(rng):
    H = np.outer(rng.standard_normal(20), [1.0, 2.0, 2.0]) + 5.0
    ranks = (
        spectrum.stable_rank,
        spectrum.covariance_stable_rank,
        spectrum.entropy_rank,
        spectrum.participation_ratio,
        spectrum.energy_rank,
    )
    assert [rank(H) for rank in ranks] == pytest.approx([1.0] * 5, rel=1e-12)
    assert spectrum.energy_rank(H, 1.0) == 1
    assert spectrum.noise_component(H, 1) == pytest.approx(0.0, abs=1e-28)
    direction = features.top_subspace(H, 1)[:, 0]
    np.testing.assert_allclose(np.abs(direction), [1 / 3, 2 / 3, 2 / 3], rtol=1e-12)


def test_constant_features_are_undefined_centered_and_rank_one_raw():
    H = np.full((7, 3), 0.1)  # the mean of seven 0.1 is not 0.1
    assert np.isnan(spectrum.noise_component(H, 1))
    assert np.isnan(spectrum.energy_rank(H))
    assert spectrum.noise_component(H, 1, centered=False) == pytest.approx(0.0, abs=1e-28)
    assert features.covariance_eigenvalues(H, centered=False)[0] == pytest.approx(0.03)


def test_weight_stable_rank():
    assert spectrum.weight_stable_rank(np.diag([2.0, 1.0, 1.0])) == pytest.approx(6 / 4)


@pytest.mark.parametrize(("mean", "rel"), [(0.0, 1e-12), (1e6, 1e-7)])
def test_cka_ignores_rotation_scale_and_shift(rng, mean, rel):
    H = rng.standard_normal((30, 5)) + mean
    assert alignment.linear_cka(H, 3 * H @ orthonormal(rng, 5, 5) - 2) == pytest.approx(1, rel=rel)


def test_cka_of_orthogonal_and_half_shared_features(rng):
    Q = centered_orthonormal(rng, 30, 3)
    assert alignment.linear_cka(Q[:, :1], Q[:, 1:]) == pytest.approx(0.0, abs=1e-12)
    # kernels q1q1' and q1q1' + q2q2': 1 / (1 · √2)
    assert alignment.linear_cka(Q[:, :1], Q[:, :2]) == pytest.approx(1 / np.sqrt(2))
    assert np.isnan(alignment.linear_cka(Q, np.ones((30, 1))))


def test_signal_target_cka_drops_the_noise(rng):
    Q = centered_orthonormal(rng, 30, 2)
    H, Y = Q * [2.0, 1.0], Q[:, :1]
    assert alignment.signal_target_cka(H, Y, 1) == pytest.approx(1.0)
    assert alignment.signal_target_cka(H, Y, 2) == pytest.approx(4 / np.sqrt(17))


def test_identical_orthogonal_and_tilted_subspaces(rng):
    H = centered_orthonormal(rng, 30, 4) * [4.0, 3.0, 0.2, 0.1]  # signal e1, e2; noise e3, e4
    e = np.eye(4)
    assert subspace.feature_weight_alignment(H, e[[1, 0]], 2) == pytest.approx(1)
    assert subspace.noise_weight_alignment(H, e[[1, 0]], 2) == pytest.approx(0, abs=1e-12)
    assert subspace.feature_weight_alignment(H, e[2:], 2) == pytest.approx(0, abs=1e-12)
    assert subspace.noise_weight_alignment(H, e[2:], 2) == pytest.approx(1)
    tilted = [e[0], np.cos(0.3) * e[1] + np.sin(0.3) * e[2]]
    assert subspace.feature_weight_alignment(H, tilted, 2) == pytest.approx((1 + np.cos(0.3)) / 2)
    assert subspace.noise_weight_alignment(H, tilted, 2) == pytest.approx(np.sin(0.3) / 2)


def test_alignment_counts_only_the_rank_of_the_weight(rng):
    H = centered_orthonormal(rng, 30, 3) * [3.0, 2.0, 1.0]
    assert subspace.feature_weight_alignment(H, [[1, 0, 0], [2, 0, 0]], 2) == pytest.approx(1)
    assert np.isnan(subspace.feature_weight_alignment(H, np.zeros((2, 3)), 2))
    # r = 2 of d = 3: one angle only, and e3 lies in the row space
    assert subspace.noise_weight_alignment(H, [[1, 0, 0], [0, 0, 2]], 2) == pytest.approx(1)
    assert np.isnan(subspace.noise_weight_alignment(H, np.eye(3), 3))


def test_uncentered_alignment_sees_the_mean_direction(rng):
    H = centered_orthonormal(rng, 30, 3) * [3.0, 2.0, 1.0] + [0.0, 0.0, 100.0]
    assert subspace.feature_weight_alignment(H, [[0, 0, 1]], 1) == pytest.approx(0, abs=1e-10)
    assert subspace.feature_weight_alignment(H, [[0, 0, 1]], 1, centered=False) == pytest.approx(1)


def test_weight_input_basis_is_the_row_space():
    V = subspace.weight_input_basis([[0, 3, 0], [1, 0, 0]], 2)
    np.testing.assert_allclose(np.abs(V), [[0, 1], [1, 0], [0, 0]], atol=1e-15)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_conv_weight_matrix_is_the_convolution_on_one_pixel(rng, groups, transposed):
    kind = torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d
    conv = kind(4, 6, (2, 3), groups=groups, bias=False).double()
    W = subspace.conv_weight_matrix(conv.weight.detach().numpy(), groups, transposed)
    pixel = rng.standard_normal(4)
    x = torch.zeros(1, 4, 1, 1, dtype=torch.float64)
    x[0, :, 0, 0] = torch.from_numpy(pixel)
    if not transposed:  # every kernel position meets the pixel once, in reversed order
        x = torch.nn.functional.pad(x, (2, 2, 1, 1))
    y = conv(x).detach().numpy()[0]
    expected = y if transposed else y[:, ::-1, ::-1]
    np.testing.assert_allclose(W @ pixel, expected.ravel(), atol=1e-12)


def test_random_alignment_in_known_dimensions():
    # lines in the plane: mean |cos| = 2/π, standard error .005; whole spaces coincide
    assert subspace.random_alignment(2, 1, 4000, seed=0) == pytest.approx(2 / np.pi, abs=0.02)
    assert subspace.random_alignment(3, 3, 2, seed=0) == pytest.approx(1)


def test_linear_prediction_leaves_what_features_lack(rng):
    Q = centered_orthonormal(rng, 40, 4) * np.sqrt(40)  # four uncorrelated variables of variance 1
    H = Q[:, :2] + 7
    Y = np.stack([Q[:, 0] + 2 * Q[:, 2], Q[:, 1]], axis=1) - 3
    assert prediction.linear_prediction_mse(H, Y) == pytest.approx(4 / 2)
    assert prediction.linear_r2(H, Y) == pytest.approx(1 - 4 / 6)
    assert prediction.linear_r2(H, Y - 1e6) == pytest.approx(1 - 4 / 6, rel=1e-7)
    assert np.isnan(prediction.linear_r2(H, np.full((40, 1), 0.1)))
    assert prediction.linear_prediction_mse(np.ones((40, 2)), Y) == pytest.approx(6 / 2)


def test_linear_prediction_without_intercept_pays_for_the_mean(rng):
    Q = centered_orthonormal(rng, 40, 1) * np.sqrt(40)
    assert prediction.linear_prediction_mse(Q, Q + 3) == pytest.approx(0, abs=1e-25)
    assert prediction.linear_prediction_mse(Q, Q + 3, intercept=False) == pytest.approx(9)
    assert prediction.linear_r2(Q, Q + 3, intercept=False) == pytest.approx(1 - 9)


def test_linear_prediction_drops_small_singular_values(rng):
    Q = centered_orthonormal(rng, 40, 2) * np.sqrt(40)
    H = Q * [1.0, 0.5e-3]
    assert prediction.linear_prediction_mse(H, Q, rcond=1e-3) == pytest.approx(1 / 2)
    assert prediction.linear_prediction_mse(H, Q) == pytest.approx(0, abs=1e-20)
    assert prediction.linear_prediction_mse(H, Q, rcond=1e-4) == pytest.approx(0, abs=1e-20)


def test_model_mse_is_the_mean_over_entries():
    assert prediction.model_mse([[1, 2], [3, 4]], [[1, 2], [3, 0]]) == 4.0


def test_proposition_1_in_a_tight_case(rng):
    Q = centered_orthonormal(rng, 30, 2)
    lhs, rhs = proposition_1(Q * [2.0, 1.0], Q[:, :1], 1)  # noise a fifth, signal aligned
    assert lhs == pytest.approx(np.sqrt(1 / 5))
    assert rhs == pytest.approx(np.sqrt(1 / 5), abs=1e-7)  # √ of a rounding error in 1 − CKA


def test_proposition_1_fails_on_uneven_spectra(rng):
    Q = centered_orthonormal(rng, 30, 3)
    H, Y = Q[:, :2] * np.sqrt([1, 0.1]), Q[:, [0, 2]] * np.sqrt([1, 0.1])
    lhs, rhs = proposition_1(H, Y, 2)
    assert lhs == pytest.approx(np.sqrt(0.1 / 1.1))  # .302
    assert rhs == pytest.approx(np.sqrt(1 - 1 / 1.01), abs=1e-7)  # .0995, as √NRC1 = 0
    assert lhs > rhs


def test_linear_rows():
    x = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(rows.linear_rows(x, "mean"), [[2, 3], [8, 9]])
    np.testing.assert_array_equal(rows.linear_rows(x, "first"), [[0, 1], [6, 7]])
    np.testing.assert_array_equal(rows.linear_rows(x, "last"), [[4, 5], [10, 11]])
    np.testing.assert_array_equal(rows.linear_rows(x, 1), [[2, 3], [8, 9]])
    np.testing.assert_array_equal(rows.linear_rows(x, "samples"), x.reshape(6, 2))
    np.testing.assert_array_equal(rows.linear_rows(x[:, 0], "mean"), x[:, 0])


def test_conv_rows():
    x = np.arange(16.0).reshape(2, 2, 2, 2)
    np.testing.assert_array_equal(rows.conv_rows(x, "mean"), [[1.5, 5.5], [9.5, 13.5]])
    expected = [[0, 4], [1, 5], [2, 6], [3, 7], [8, 12], [9, 13], [10, 14], [11, 15]]
    np.testing.assert_array_equal(rows.conv_rows(x, "samples"), expected)
    with pytest.raises(ValueError, match="rule must be 'mean' or 'samples', got 'first'"):
        rows.conv_rows(x, "first")


def test_mlp_features():
    weights = [[[1, 0], [0, -1], [1, 1]], [[1, 1, 1]]]
    found, predictions = mlp.mlp_features(weights, [[1, 2], [-3, 1]])
    assert [f.tolist() for f in found] == [[[1, 2], [-3, 1]], [[1, 0, 3], [0, 0, 0]]]
    assert predictions.tolist() == [[4], [0]]
    assert predictions.dtype == np.float64


def test_collapsed_problem_is_collapsed_by_all_four(rng):
    H, Y, W = collapsed_problem(
        rng, 200, 12, 3, 1e-4, feature_mean=5.0, target_mean=-2.0, target_variances=[2, 1, 0.5]
    )
    assert spectrum.noise_component(H, 3) < 1e-6
    assert alignment.signal_target_cka(H, Y, 3) == pytest.approx(1, abs=1e-6)
    assert subspace.feature_weight_alignment(H, W, 3) == pytest.approx(1, abs=1e-6)
    assert prediction.linear_prediction_mse(H, Y) < 1e-7
    P = features.center(H) @ W.T - 2
    assert prediction.model_mse(P, Y) == pytest.approx(1e-8, rel=0.2)
    assert collapsed_problem(rng, 20, 12, 3, 0.0, width_out=7)[2].shape == (7, 12)


def test_too_few_rows_for_a_spectrum_is_an_error(rng):
    with pytest.raises(ValueError, match="3 centred rows span at most 2 directions"):
        features_with_spectrum(rng, 3, 5, [3, 2, 1])
