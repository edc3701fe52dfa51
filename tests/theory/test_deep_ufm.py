"""Closed form of the deep linear model: known values, edge cases and symmetries."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.theory import deep_ufm_optimum, ufm_optimum
from reference.generators import orthonormal

CORRELATED = [[2.0, 0.6], [0.6, 1.0]]


def product(deep):
    return deep.lambda_h * math.prod(deep.lambdas)


# Known values


def test_cka_of_three_weights_to_all_digits():
    deep = deep_ufm_optimum(np.diag([2, 0.6, 0.25]), lambdas=[0.05, 0.02, 0.04], lambda_h=0.03)
    assert [f"{value:.6f}" for value in deep.cka_by_depth.tolist()] == [
        "0.900411",
        "0.968749",
        "0.995690",
        "0.999706",
    ]


def test_threshold_and_kept_values_of_two_weights_to_all_digits():
    deep = deep_ufm_optimum([[1.0, 0], [0, 0.25]], lambdas=[0.1, 0.1], lambda_h=0.1)
    assert f"{deep.threshold:.6f}" == "0.355656"
    assert [f"{x:.9f}" for x in deep.singular_values.tolist()] == ["0.896282586", "0.359342161"]


def test_one_weight_is_the_plain_model_to_all_digits():
    deep = deep_ufm_optimum(CORRELATED, lambdas=[0.05], lambda_h=0.02)
    gram = deep.grams[0]
    assert [f"{gram[i, j]:.8f}" for i, j in ((0, 0), (0, 1), (1, 1))] == [
        "0.85983325",
        "0.16091445",
        "0.59164249",
    ]
    assert f"{deep.loss:.9f}" == "0.073573787"
    assert f"{deep.mse:.3f}" == "0.002"
    assert deep.mse == pytest.approx(0.002, rel=1e-13)
    cosine = float(gram[0, 1] / (gram[0, 0] * gram[1, 1]).sqrt())
    assert f"{math.degrees(math.acos(cosine)):.6f}" == "76.961252"

    strong = deep_ufm_optimum(CORRELATED, lambdas=[1.2], lambda_h=0.8)
    assert strong.rank == 1
    assert f"{strong.loss:.9f} {strong.mse:.9f}" == "1.359279383 1.678975032"


@pytest.mark.parametrize(("lambda_h", "lambda_w"), [(0.02, 0.05), (0.8, 1.2), (3.0, 2.0)])
def test_one_weight_is_the_plain_model_in_every_regime(lambda_h, lambda_w):
    deep = deep_ufm_optimum(CORRELATED, lambdas=[lambda_w], lambda_h=lambda_h)
    plain = ufm_optimum(CORRELATED, lambda_h=lambda_h, lambda_w=lambda_w)
    assert deep.rank == plain.rank
    assert deep.threshold**2 == pytest.approx(lambda_h * lambda_w, rel=1e-14)
    for name in ("loss", "mse", "r2"):
        assert getattr(deep, name) == pytest.approx(getattr(plain, name), rel=1e-13)
    assert deep.grams[0].numpy() == pytest.approx(plain.gram.numpy(), abs=1e-14)
    assert deep.residual_covariance.numpy() == pytest.approx(
        plain.residual_covariance.numpy(), abs=1e-14
    )


# Edge cases


def test_nothing_is_kept_below_the_threshold():
    deep = deep_ufm_optimum([[0.1, 0], [0, 0.05]], lambdas=[0.1, 0.1], lambda_h=0.1)
    assert deep.rank == 0
    assert not deep.kept.any()
    assert not deep.tied.any()
    for zero in (deep.singular_values, deep.grams, deep.weight_spectra, deep.feature_spectra):
        assert not zero.any()
    assert deep.loss == pytest.approx(0.075)
    assert deep.mse == pytest.approx(0.15)
    assert deep.r2 == 0
    assert deep.residual_covariance.numpy() == pytest.approx(np.diag([0.1, 0.05]))
    for metric in (
        deep.cka_by_depth,
        deep.noise_component,
        deep.signal_target_cka,
        deep.feature_weight_alignment,
    ):
        assert metric.isnan().all()
    assert deep.undefined == (
        "no direction of the targets is above the threshold: features and weights are 0"
    )
    assert deep.cka_by_depth.shape == (3,)
    assert deep.noise_component.shape == (2,)


def test_constant_targets():
    deep = deep_ufm_optimum(np.zeros((2, 2)), lambdas=[0.1, 0.1], lambda_h=0.1)
    assert (deep.rank, deep.loss, deep.mse) == (0, 0, 0)
    assert math.isnan(deep.r2)
    assert deep.cka_by_depth.isnan().all()
    assert deep.undefined == (
        "the targets are constant: they have no directions and no variance to explain"
    )


def test_one_target():
    deep = deep_ufm_optimum([[1.0]], lambdas=[0.1, 0.1], lambda_h=0.1)
    assert deep.singular_values.tolist() == pytest.approx([0.896282586])
    assert deep.cka_by_depth.tolist() == [1, 1, 1]
    assert deep.noise_component.tolist() == [0, 0]
    assert deep.feature_weight_alignment.tolist() == [1, 1]
    assert deep.undefined == ""


@pytest.mark.parametrize("lambdas", [[0.01], [1e-30], [0.01, 0.02], [1e-30, 1e-30, 1e-30]])
def test_rank_deficient_targets_keep_no_direction_of_rounding(rng, lambdas):
    half = rng.standard_normal((5, 2))
    deep = deep_ufm_optimum(half @ half.T, lambdas=lambdas, lambda_h=lambdas[0])
    assert deep.rank == 2
    assert not deep.singular_values[2:].any()
    assert np.linalg.matrix_rank(deep.grams[-1], tol=1e-9 * float(deep.grams[-1].max())) == 2


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_equal_eigenvalues_are_treated_alike(rng, depth):
    U = orthonormal(rng, 3, 3)
    deep = deep_ufm_optimum(2.0 * U @ U.T, lambdas=[0.05] * depth, lambda_h=0.02)
    # 3 eigenvalues apart by rounding only
    assert deep.singular_values.numpy() == pytest.approx(float(deep.singular_values[0]), rel=1e-14)
    assert deep.grams[0].numpy() == pytest.approx(
        float(deep.weight_spectra[0, 0]) * np.eye(3), abs=1e-14
    )
    assert deep.cka_by_depth.numpy() == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("penalty", [1e-6, 0.03, 5.0])
def test_a_direction_at_the_threshold_is_dropped_and_said_to_be_tied(rng, depth, penalty):
    lambdas = [penalty] * depth
    s = deep_ufm_optimum([[1.0]], lambdas=lambdas, lambda_h=0.1).threshold
    U = orthonormal(rng, 4, 4)
    covariance = U @ np.diag([4 * s * s, s * s, s * s, s * s / 4]) @ U.T
    deep = deep_ufm_optimum(covariance, lambdas=lambdas, lambda_h=0.1)
    assert deep.kept.tolist() == [True, False, False, False]
    assert deep.tied.tolist() == [False, True, True, False]
    assert deep.rank == 1
    above = deep_ufm_optimum([[s * s * (1 + 1e-9)]], lambdas=lambdas, lambda_h=0.1)
    below = deep_ufm_optimum([[s * s * (1 - 1e-9)]], lambdas=lambdas, lambda_h=0.1)
    assert (above.rank, below.rank) == (1, 0)
    assert not above.tied.any()
    assert not below.tied.any()
    # The loss is continuous; x jumps from 0 to s*(K − 2)/(K − 1).
    assert above.loss == pytest.approx(below.loss, rel=1e-8)
    K = depth + 1
    # 1e-4: near the soft threshold x = √s − s* is all that is left; near a jump x moves by √1e-9.
    assert float(above.singular_values) == pytest.approx(s * (K - 2) / (K - 1), abs=1e-4 * s)


def test_an_infinite_penalty_makes_everything_zero():
    for lambdas, lambda_h in (([math.inf, 0.1], 0.1), ([0.1], math.inf), ([1e-300, math.inf], 1)):
        deep = deep_ufm_optimum(CORRELATED, lambdas=lambdas, lambda_h=float(lambda_h))
        assert deep.threshold == math.inf
        assert deep.rank == 0
        assert not deep.grams.any()
        assert not deep.feature_spectra.any()
        assert deep.loss == pytest.approx(1.5)


def test_a_penalty_whose_threshold_overflows_when_squared():
    deep = deep_ufm_optimum(CORRELATED, lambdas=[1e200], lambda_h=1e200)
    assert deep.threshold == pytest.approx(1e200)
    assert deep.rank == 0


def test_vanishing_penalties_fit_the_targets_and_share_the_directions():
    deep = deep_ufm_optimum(CORRELATED, lambdas=[1e-200, 1e-200], lambda_h=1e-200)
    assert deep.rank == 2
    assert deep.mse < 1e-300
    assert deep.r2 == 1
    root = deep.target_eigenvalues.sqrt()
    assert deep.singular_values.numpy() == pytest.approx(root.numpy(), rel=1e-15)
    # every factor takes the K-th root of the product
    assert deep.weight_spectra[1].numpy() == pytest.approx((root ** (2 / 3)).numpy(), rel=1e-13)


@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_scales_far_from_one(scale):
    power = scale ** (3 / 4)  # Σ to αΣ and every λ to α^{1 − 1/K}λ scales the loss by α
    scaled = deep_ufm_optimum(
        np.array(CORRELATED) * scale, lambdas=[0.1 * power] * 3, lambda_h=0.1 * power
    )
    plain = deep_ufm_optimum(CORRELATED, lambdas=[0.1] * 3, lambda_h=0.1)
    assert scaled.loss == pytest.approx(plain.loss * scale, rel=1e-12)
    assert scaled.cka_by_depth.numpy() == pytest.approx(plain.cka_by_depth.numpy(), rel=1e-12)


# Symmetries

eigenvalues = st.lists(st.floats(1e-3, 10), min_size=1, max_size=4)
penalties = st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=4)
seeds = st.integers(0, 10**6)


def test_the_penalties_in_any_order(rng):
    covariance = np.cov(rng.standard_normal((3, 40)))
    first = deep_ufm_optimum(covariance, lambdas=[0.05, 0.02, 0.04], lambda_h=0.03)
    second = deep_ufm_optimum(covariance, lambdas=[0.03, 0.04, 0.02], lambda_h=0.05)
    assert second.loss == pytest.approx(first.loss, rel=1e-14)
    assert second.singular_values.numpy() == pytest.approx(first.singular_values.numpy(), rel=1e-14)
    assert second.weight_spectra[2].numpy() == pytest.approx(first.weight_spectra[1].numpy())
    assert second.weight_spectra[1].numpy() == pytest.approx(first.weight_spectra[2].numpy())
    assert second.feature_spectra[0].numpy() == pytest.approx(first.weight_spectra[0].numpy())


@given(s=eigenvalues, lambdas=penalties, lambda_h=st.floats(1e-4, 0.5), seed=seeds)
def test_turned_targets_turn_the_optimum(s, lambdas, lambda_h, seed):
    R = orthonormal(np.random.default_rng(seed), len(s), len(s))
    plain = deep_ufm_optimum(np.diag(s), lambdas=lambdas, lambda_h=lambda_h)
    turned = deep_ufm_optimum(R @ np.diag(s) @ R.T, lambdas=lambdas, lambda_h=lambda_h)
    assert turned.loss == pytest.approx(plain.loss, rel=1e-11)
    if (abs(plain.target_eigenvalues - plain.threshold**2) > 1e-6).all():
        # Grams move continuously away from the jump; weakly where s ≈ s*² (K = 2): 1e-6 keeps 1e-8.
        assert turned.rank == plain.rank
        assert turned.grams[-1].numpy() == pytest.approx(
            R @ plain.grams[-1].numpy() @ R.T, rel=1e-8, abs=1e-8 * float(plain.grams.max())
        )
        assert turned.feature_spectra.numpy() == pytest.approx(
            plain.feature_spectra.numpy(), rel=1e-7
        )


@given(s=eigenvalues, lambdas=penalties, lambda_h=st.floats(1e-4, 0.5), c=st.floats(0.01, 100))
def test_scaled_targets_and_penalties_scale_the_loss(s, lambdas, lambda_h, c):
    K = len(lambdas) + 1
    power = c ** (1 - 1 / K)
    plain = deep_ufm_optimum(np.diag(s), lambdas=lambdas, lambda_h=lambda_h)
    scaled = deep_ufm_optimum(
        c * np.diag(s), lambdas=[power * lam for lam in lambdas], lambda_h=power * lambda_h
    )
    assert scaled.loss == pytest.approx(c * plain.loss, rel=1e-11)
    assert scaled.threshold == pytest.approx(math.sqrt(c) * plain.threshold, rel=1e-12)


@given(s=eigenvalues, lambdas=penalties, lambda_h=st.floats(1e-4, 0.5))
def test_balance_ranges_and_order(s, lambdas, lambda_h):
    deep = deep_ufm_optimum(np.diag(s), lambdas=lambdas, lambda_h=lambda_h)
    price = lambda_h * float(deep.feature_spectra[0].sum())
    for lam, values in zip(lambdas, deep.weight_spectra, strict=True):
        assert lam * float(values.sum()) == pytest.approx(price, rel=1e-12)
    assert deep.loss == pytest.approx(0.5 * deep.mse + 0.5 * (len(lambdas) + 1) * price, rel=1e-12)
    assert deep.loss <= sum(s) / 2 * (1 + 1e-12)
    assert -1e-12 <= deep.r2 <= 1
    assert (deep.singular_values[:-1] >= deep.singular_values[1:]).all()
    if deep.rank:
        kept = deep.singular_values[deep.kept]
        K = len(lambdas) + 1
        root = deep.target_eigenvalues[deep.kept].sqrt()
        assert (kept >= root * (K - 2) / (K - 1) * (1 - 1e-12)).all()
        gap = product(deep) ** (1 / K) * kept ** (2 / K - 1)
        assert (root - kept).numpy() == pytest.approx(gap.numpy(), rel=1e-9, abs=1e-14)


def test_cka_rises_with_depth_under_weak_penalties_and_not_under_strong_ones():
    weak = deep_ufm_optimum(np.diag([4.0, 1, 0.3]), lambdas=[1e-3] * 4, lambda_h=1e-3)
    assert (weak.cka_by_depth.diff() > 0).all()
    assert weak.cka_by_depth[-1] > 0.999
    # x = (√2 − .5, .5): H ∝ x is nearer to s = (2, 1) than the predictions' x².
    strong = deep_ufm_optimum(np.diag([2.0, 1]), lambdas=[0.5], lambda_h=0.5)
    assert [round(value, 4) for value in strong.cka_by_depth.tolist()] == [0.9993, 0.9851]


# Errors and kinds of input


@pytest.mark.parametrize("kind", [np.array, torch.tensor, lambda rows: rows])
def test_any_kind_of_matrix(kind):
    deep = deep_ufm_optimum(kind(CORRELATED), lambdas=(0.05,), lambda_h=0.02)
    assert deep.grams.dtype == torch.float64
    assert deep.lambdas == (0.05,)
    # tensors of Python numbers are single precision: .6 there is .60000002
    assert deep.loss == pytest.approx(0.073573787, abs=1e-8)


ZERO = (
    "must be positive; got 0: without a penalty a factor grows without bound or is not "
    "determined; pass a small one, such as 1e-12, for the limit"
)


@pytest.mark.parametrize(
    ("lambdas", "lambda_h", "message"),
    [
        ([], 0.1, "lambdas must hold the penalty of every weight from W_1 to W_L; got 0"),
        ([0.1, 0.0], 0.1, "lambdas[1] " + ZERO),
        ([0.1, 0.2], 0.0, "lambda_h " + ZERO),
        ([0.1, -0.2], 0.1, "lambdas[1] must be positive; got -0.2"),
        ([0.1], -1.0, "lambda_h must be positive; got -1"),
        ([math.nan], 1.0, "lambdas[0] must be positive; got nan"),
    ],
)
def test_penalties_that_are_refused(lambdas, lambda_h, message):
    with pytest.raises(ArgumentError) as caught:
        deep_ufm_optimum(CORRELATED, lambdas=lambdas, lambda_h=lambda_h)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ([[1.0, 0.5], [0.4, 1.0]], "target_covariance must be symmetric; got 0.5 at (0, 1) and"),
        ([[1.0, 2.0], [2.0, 1.0]], "target_covariance must be a covariance"),
        ([[0.0, 1.0], [1.0, 0.0]], "target_covariance must be a covariance"),
        ([[1.0, 2.0]], "target_covariance must be square"),
        ([[math.nan]], "target_covariance must be finite"),
    ],
)
def test_covariances_that_are_refused(covariance, message):
    with pytest.raises(ArgumentError) as caught:
        deep_ufm_optimum(covariance, lambdas=[0.1], lambda_h=0.1)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("k", [0, -1, 3])
def test_signal_ranks_that_are_refused(k):
    with pytest.raises(ArgumentError) as caught:
        deep_ufm_optimum(CORRELATED, lambdas=[0.1], lambda_h=0.1, signal_rank=k)
    assert str(caught.value) == f"signal_rank must be from 1 to the number of targets, 2; got {k}"
