"""The unconstrained feature model in closed form: degenerate cases first, then every regime."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.theory import Regime, target_moments, ufm_optimum
from reference import last_layer
from reference import ufm as twin
from reference.generators import orthonormal

SIGMA = np.array([[2.0, 0.6], [0.6, 1.0]])


def random_covariance(rng, t):
    A = rng.standard_normal((t, t + 1))
    return A @ A.T / t


# --- degenerate input -------------------------------------------------------------------------


def test_singular_covariance_leaves_its_null_space_alone():
    best = ufm_optimum([[1.0, 1.0], [1.0, 1.0]], lambda_h=0.1, lambda_w=0.1)
    assert best.regime is Regime.LOW_RANK
    assert best.rank == 1
    assert best.mse == pytest.approx(0.01, rel=1e-14)
    assert best.loss == pytest.approx(0.1 * math.sqrt(2) - 0.005, rel=1e-14)
    assert best.gram.numpy() == pytest.approx((math.sqrt(2) - 0.1) * np.full((2, 2), 0.5))
    # An arc cosine would be off by 1e-6 here.
    assert best.row_angles.numpy() == pytest.approx(np.zeros((2, 2)), abs=1e-12)


def test_opposite_targets_have_opposite_rows():
    best = ufm_optimum([[1.0, -1.0], [-1.0, 1.0]], lambda_h=0.1, lambda_w=0.1)
    assert best.row_angles.numpy() == pytest.approx(np.array([[0, 180], [180, 0]]), abs=1e-12)


def test_the_weight_has_the_rank_of_the_optimum_and_not_its_rounding():
    best = ufm_optimum(SIGMA, lambda_h=0.8, lambda_w=1.2)
    assert int(torch.linalg.matrix_rank(best.weight())) == best.rank == 1


def test_a_row_that_is_only_rounding_has_no_angle():
    sigma = [[2.0, 0.6, 1e-17], [0.6, 1.0, -1e-17], [1e-17, -1e-17, 0.1]]
    best = ufm_optimum(sigma, lambda_h=0.5, lambda_w=1.0)
    assert best.row_angles.isnan().tolist() == [[False, False, True]] * 2 + [[True] * 3]
    assert best.undefined == {"row_angles": "a row of W that is 0 has no direction"}


def test_a_singular_covariance_with_penalties_of_next_to_nothing_keeps_its_rank(rng):
    """√(rounding) of a zero eigenvalue must not pass for a direction: √1e-17 is 3e-9."""
    A = rng.standard_normal((5, 2))
    best = ufm_optimum(A @ A.T, lambda_h=1e-14, lambda_w=1e-14)
    assert best.rank == 2
    assert int(torch.linalg.matrix_rank(best.gram, hermitian=True)) == 2


def test_one_target():
    best = ufm_optimum([[4.0]], lambda_h=0.5, lambda_w=2.0)
    assert best.regime is Regime.FULL_RANK
    assert best.gram.tolist() == [[0.5]]  # √(.5/2)·(2 − 1)
    assert (best.mse, best.loss, best.r2) == (1.0, 1.5, 0.75)
    assert best.row_angles.tolist() == [[0.0]]
    assert best.weight().tolist() == [[pytest.approx(math.sqrt(0.5))]]
    assert best.features([[2.0], [-2.0]]).tolist() == [
        [pytest.approx(math.sqrt(2))],
        [pytest.approx(-math.sqrt(2))],
    ]


def test_constant_targets():
    best = ufm_optimum(np.zeros((2, 2)), lambda_h=0.1, lambda_w=0.1, target_mean=[3.0, 4.0])
    assert best.regime is Regime.ZERO
    assert (best.loss, best.mse, best.rank, best.feature_energy) == (0, 0, 0, 0)
    assert best.bias.tolist() == [3.0, 4.0]
    assert math.isnan(best.r2)
    assert best.undefined["r2"] == "the targets are constant"


@pytest.mark.parametrize("penalties", [(math.inf, 1.0), (1.0, math.inf), (1e200, 1e200)])
def test_infinite_penalties_give_the_zero_solution(penalties):
    best = ufm_optimum(SIGMA, lambda_h=penalties[0], lambda_w=penalties[1])
    assert best.regime is Regime.ZERO
    assert best.c == math.inf
    assert (best.loss, best.mse, best.r2, best.rank) == (1.5, 3.0, 0.0, 0)
    assert best.gram.tolist() == [[0, 0], [0, 0]]
    assert best.weight().tolist() == [[0, 0], [0, 0]]
    assert best.features([[1.0, 2.0]]).tolist() == [[0, 0]]
    assert best.residual_covariance.numpy() == pytest.approx(SIGMA)
    assert bool(best.row_angles.isnan().all())
    assert best.undefined == {"row_angles": "a row of W that is 0 has no direction"}


def test_without_regularization_only_the_fit_is_determined():
    best = ufm_optimum(SIGMA, lambda_h=0.0, lambda_w=0.0)
    assert best.regime is Regime.UNREGULARIZED
    assert (best.loss, best.mse, best.r2, best.rank, best.c) == (0, 0, 1, 2, 0)
    assert best.residual_covariance.tolist() == [[0, 0], [0, 0]]
    assert bool(best.gram.isnan().all())
    assert math.isnan(best.feature_energy)
    assert set(best.undefined) == {"gram", "row_angles", "feature_energy"}
    assert best.undefined["gram"] == "both penalties are 0: every W of full rank fits"
    message = "W is not determined when both penalties are 0, as every W .*: draw one with"
    with pytest.raises(ArgumentError, match=message):
        best.weight()
    with pytest.raises(ArgumentError, match="H is not determined"):
        best.features([[1.0, 2.0]])


def test_one_penalty_alone_has_no_minimum():
    message = "must both be positive or both be 0; got 0 and 0.1: .* W shrinks without end while H,"
    with pytest.raises(ArgumentError, match=message):
        ufm_optimum(SIGMA, lambda_h=0.0, lambda_w=0.1)
    with pytest.raises(ArgumentError, match=r"got 0.1 and 0: .* H shrinks without end while W"):
        ufm_optimum(SIGMA, lambda_h=0.1, lambda_w=0.0)
    with pytest.raises(ArgumentError, match="there is no minimum"):
        ufm_optimum(SIGMA, lambda_h=math.inf, lambda_w=0.0)


@pytest.mark.parametrize("value", [-1e-3, math.nan, -math.inf])
@pytest.mark.parametrize("name", ["lambda_h", "lambda_w"])
def test_penalties_are_not_negative(name, value):
    penalties = {"lambda_h": 0.1, "lambda_w": 0.1, name: value}
    message = f"{name} must be 0 or positive; got {value:g}"
    with pytest.raises(ArgumentError, match=message):
        ufm_optimum(SIGMA, **penalties)


def test_a_mean_does_not_hide_a_negative_eigenvalue():
    with pytest.raises(ArgumentError, match="got a matrix with the eigenvalue -1"):
        ufm_optimum([[-1.0]], lambda_h=0.1, lambda_w=0.1, target_mean=[9.0], bias=False)


def test_rounding_is_no_asymmetry_and_not_negative():
    sigma = SIGMA.astype(np.float32).astype(np.float64)
    sigma[0, 1] += 1e-9
    assert ufm_optimum(sigma, lambda_h=0.02, lambda_w=0.05).rank == 2
    assert ufm_optimum([[1.0, 1.0], [1.0, 1.0 - 1e-12]], lambda_h=0.1, lambda_w=0.1).rank == 1


def test_the_mean_is_checked():
    with pytest.raises(ArgumentError, match="target_mean must be given with bias=False"):
        ufm_optimum(SIGMA, lambda_h=0.1, lambda_w=0.1, bias=False)
    with pytest.raises(ArgumentError, match="target_mean must have 2 entries; got 3"):
        ufm_optimum(SIGMA, lambda_h=0.1, lambda_w=0.1, target_mean=[1.0, 2.0, 3.0])


def test_rotations_and_targets_are_checked():
    best = ufm_optimum(SIGMA, lambda_h=0.02, lambda_w=0.05)
    with pytest.raises(ArgumentError, match=r"rotation must have 2 rows; got shape \(3, 3\)"):
        best.weight(np.eye(3))
    with pytest.raises(
        ArgumentError, match=r"orthonormal rows \(R Rᵀ = I, so d ≥ t\); got .* off by 3"
    ):
        best.weight(2 * np.eye(2))
    with pytest.raises(ArgumentError, match="so d ≥ t"):
        best.weight([[1.0], [0.0]])
    with pytest.raises(ArgumentError, match="targets must have 2 columns; got shape"):
        best.features(np.ones((5, 3)))


# --- known values -----------------------------------------------------------------------------


def test_the_check_values_of_full_rank():
    """Σ = [[2, .6],[.6, 1]], λ_H = .02, λ_W = .05, worked out elsewhere; all printed digits."""
    best = ufm_optimum(SIGMA, lambda_h=0.02, lambda_w=0.05)
    assert best.gram.numpy() == pytest.approx(
        np.array([[0.85983325, 0.16091445], [0.16091445, 0.59164249]]), abs=5e-9
    )
    assert best.loss == pytest.approx(0.073573787, abs=5e-10)
    assert best.mse == pytest.approx(0.002, rel=1e-14)
    assert float(best.row_angles[0, 1]) == pytest.approx(76.961252, abs=5e-7)
    assert best.regime is Regime.FULL_RANK
    assert best.gamma == pytest.approx(0.001)


def test_the_check_values_of_low_rank():
    best = ufm_optimum(SIGMA, lambda_h=0.8, lambda_w=1.2)
    assert best.rank == 1
    assert best.loss == pytest.approx(1.359279383, abs=5e-10)
    assert best.mse == pytest.approx(1.678975032, abs=5e-10)
    assert best.regime is Regime.LOW_RANK
    assert math.isnan(best.gamma)


def test_penalties_whose_product_underflows():
    best = ufm_optimum(SIGMA, lambda_h=1e-200, lambda_w=1e-200)
    assert best.gram.numpy() == pytest.approx(last_layer.covariance_root(SIGMA), rel=1e-14)
    assert best.loss > 0


def test_at_a_threshold_the_direction_is_dropped():
    best = ufm_optimum(np.diag([4.0, 1.0]), lambda_h=1.0, lambda_w=1.0)
    assert best.rank == 1
    assert best.mse == 2.0
    assert best.loss == 2.0  # 2·1 − ½ + ½·1
    assert best.gram.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert best.row_angles[0].isnan().tolist() == [False, True]
    assert ufm_optimum(np.diag([4.0, 1.0]), lambda_h=4.0, lambda_w=1.0).regime is Regime.ZERO


def test_equal_eigenvalues():
    best = ufm_optimum(4 * np.eye(3), lambda_h=1.0, lambda_w=1.0)
    assert best.gram.numpy() == pytest.approx(np.eye(3), abs=1e-15)
    assert best.row_angles.numpy() == pytest.approx(90 * (1 - np.eye(3)), abs=1e-12)


# --- against the objective and the definitions --------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("c", [1e-4, 0.5, 1e3])
def test_weight_and_features_reach_the_loss(rng, c, bias):
    Y = rng.standard_normal((40, 4)) @ np.diag([3, 1, 0.5, 0.1]) + 1
    mean, covariance = target_moments(Y)
    lambda_h, lambda_w = 3 * math.sqrt(c), math.sqrt(c) / 3
    best = ufm_optimum(
        covariance, lambda_h=lambda_h, lambda_w=lambda_w, target_mean=mean, bias=bias
    )
    R = orthonormal(rng, 6, 4).T
    H, W, b = best.features(Y, R).numpy(), best.weight(R).numpy(), best.bias.numpy()
    assert b == pytest.approx(mean.numpy() if bias else np.zeros(4))
    assert best.loss == pytest.approx(twin.objective(H, W, b, Y, lambda_h, lambda_w), rel=1e-12)
    residual = H @ W.T + b - Y
    assert best.mse == pytest.approx(np.sum(residual**2) / 40, rel=1e-12)
    assert best.residual_covariance.numpy() == pytest.approx(
        residual.T @ residual / 40, abs=1e-12 * best.mse
    )
    assert best.r2 == pytest.approx(last_layer.pooled_r2(Y, H @ W.T + b), abs=1e-12)
    assert best.gram.numpy() == pytest.approx(W @ W.T, abs=1e-12)
    assert best.feature_energy == pytest.approx(np.sum(H**2) / 40, rel=1e-12)
    # Both factors are the ridge regression on the other, and cost the same.
    ridge = twin.best_features(W, b, Y, lambda_h)
    assert pytest.approx(ridge, abs=1e-10) == H
    assert lambda_h * best.feature_energy == pytest.approx(lambda_w * np.sum(W**2), rel=1e-12)


def test_gram_and_error_against_the_twins(rng):
    for _ in range(100):
        p = twin.random_problem(rng)
        best = ufm_optimum(p.covariance, lambda_h=p.lambda_h, lambda_w=p.lambda_w)
        expected = twin.gram(p.covariance, p.lambda_h, p.lambda_w)
        # √s of an s that is only rounding is 1e-8 in the twin, which drops nothing.
        size = math.sqrt(p.lambda_h / p.lambda_w) * math.sqrt(float(best.eigenvalues[0]))
        assert best.gram.numpy() == pytest.approx(expected, abs=1e-7 * size)
        assert best.mse == pytest.approx(twin.mse(p.covariance, p.lambda_h * p.lambda_w), rel=1e-9)


def test_row_angles_are_those_of_the_weight(rng):
    best = ufm_optimum(random_covariance(rng, 4), lambda_h=0.01, lambda_w=0.1)
    W = best.weight(orthonormal(rng, 7, 4).T).numpy()
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    expected = np.degrees(np.arccos(np.clip(unit @ unit.T, -1, 1)))
    # The twin's arc cosine knows angles near 0 to 1e-6 degrees only.
    assert best.row_angles.numpy() == pytest.approx(expected, abs=1e-5)


def test_an_exact_minimizer_meets_the_three_conditions_of_2024(rng):
    """NRC1 = NRC2 = 0, and NRC3 = 0 at γ = c, which is also where its minimum lies."""
    for _ in range(20):
        t = int(rng.integers(2, 6))
        Y = rng.standard_normal((60, t)) @ random_covariance(rng, t) + rng.standard_normal(t)
        mean, covariance = target_moments(Y)
        smallest = float(torch.linalg.eigvalsh(covariance)[0])
        c, ratio = smallest * rng.uniform(0.05, 0.95), 10 ** rng.uniform(-2, 2)
        best = ufm_optimum(
            covariance,
            lambda_h=math.sqrt(c) * ratio,
            lambda_w=math.sqrt(c) / ratio,
            target_mean=mean,
        )
        R = orthonormal(rng, 9, t).T
        H, W = best.features(Y, R).numpy(), best.weight(R).numpy()
        assert last_layer.feature_pca_residual(H, t) <= 1e-12
        assert last_layer.feature_weight_residual(H, W) <= 1e-12
        assert last_layer.gram_residual(W, covariance.numpy(), best.gamma) <= 1e-12
        found = last_layer.best_gamma(W, covariance.numpy())
        # NRC3 is quadratic at its minimum and known to 1e-16: its place to 1e-8 of the scale.
        assert found == pytest.approx(best.gamma, rel=1e-5)


# --- laws -------------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1)
logs = st.floats(-4, 2)


@given(seeds, st.integers(1, 5), logs, logs)
def test_rotated_targets_have_the_rotated_optimum(seed, t, log_h, log_w):
    rng = np.random.default_rng(seed)
    sigma, Q = random_covariance(rng, t), orthonormal(rng, t, t)
    penalties = {"lambda_h": 10**log_h, "lambda_w": 10**log_w}
    plain, turned = ufm_optimum(sigma, **penalties), ufm_optimum(Q @ sigma @ Q.T, **penalties)
    scale = float(plain.gram.abs().max()) + 1e-12
    assert turned.gram.numpy() == pytest.approx(Q @ plain.gram.numpy() @ Q.T, abs=1e-9 * scale)
    assert turned.loss == pytest.approx(plain.loss, rel=1e-9)
    assert turned.rank == plain.rank


@given(seeds, st.permutations(range(4)))
def test_permuted_targets_have_the_permuted_optimum(seed, order):
    sigma = random_covariance(np.random.default_rng(seed), 4)
    order = list(order)
    plain = ufm_optimum(sigma, lambda_h=0.1, lambda_w=0.2)
    moved = ufm_optimum(sigma[order][:, order], lambda_h=0.1, lambda_w=0.2)
    assert moved.gram.numpy() == pytest.approx(plain.gram.numpy()[order][:, order], abs=1e-9)
    assert moved.row_angles.numpy() == pytest.approx(
        plain.row_angles.numpy()[order][:, order], abs=1e-4, nan_ok=True
    )


@given(seeds, logs, logs, st.floats(-2, 2))
def test_scaling_laws(seed, log_h, log_w, log_a):
    """Targets × a with penalties × a: Gram × a, loss and error × a², R² the same."""
    sigma, a = random_covariance(np.random.default_rng(seed), 3), 10**log_a
    plain = ufm_optimum(sigma, lambda_h=10**log_h, lambda_w=10**log_w)
    scaled = ufm_optimum(a * a * sigma, lambda_h=a * 10**log_h, lambda_w=a * 10**log_w)
    scale = float(plain.gram.abs().max()) + 1e-9
    assert scaled.gram.numpy() == pytest.approx(a * plain.gram.numpy(), abs=1e-6 * a * scale)
    assert scaled.loss == pytest.approx(a * a * plain.loss, rel=1e-9)
    assert scaled.mse == pytest.approx(a * a * plain.mse, rel=1e-9)
    assert scaled.r2 == pytest.approx(plain.r2, abs=1e-9)


@given(seeds, logs, st.floats(-3, 3))
def test_only_the_product_of_the_penalties_matters_to_the_fit(seed, log_c, log_ratio):
    sigma, root, ratio = random_covariance(np.random.default_rng(seed), 3), 10**log_c, 10**log_ratio
    even = ufm_optimum(sigma, lambda_h=root, lambda_w=root)
    uneven = ufm_optimum(sigma, lambda_h=root * ratio, lambda_w=root / ratio)
    assert uneven.loss == pytest.approx(even.loss, rel=1e-9)
    assert uneven.gram.numpy() == pytest.approx(ratio * even.gram.numpy(), rel=1e-6, abs=1e-12)


@given(seeds, logs, logs)
def test_no_other_point_is_lower(seed, log_h, log_w):
    rng = np.random.default_rng(seed)
    sigma = random_covariance(rng, 2)
    Y = twin.targets(sigma)
    best = ufm_optimum(sigma, lambda_h=10**log_h, lambda_w=10**log_w)
    H, W = best.features(Y).numpy(), best.weight().numpy()
    for size in (1e-3, 1e-1, 10):
        elsewhere = [a + size * rng.standard_normal(a.shape) for a in (H, W)]
        value = twin.objective(*elsewhere, np.zeros(2), Y, 10**log_h, 10**log_w)
        assert value >= best.loss * (1 - 1e-12)


@given(seeds, st.floats(-6, 2))
def test_more_penalty_fits_worse_with_fewer_directions(seed, log_c):
    sigma = random_covariance(np.random.default_rng(seed), 4)
    less, more = (
        ufm_optimum(sigma, lambda_h=math.sqrt(c), lambda_w=math.sqrt(c))
        for c in (10**log_c, 1.5 * 10**log_c)
    )
    assert more.mse >= less.mse * (1 - 1e-12)
    assert more.loss >= less.loss * (1 - 1e-12)
    assert more.rank <= less.rank
    assert 0 <= more.r2 <= less.r2 + 1e-12 <= 1 + 1e-12
