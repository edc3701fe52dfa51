"""NRC4: the truncated least-squares error, and the honesty of its stated rounding."""

import numpy as np
import pytest
import torch

from deepnrc.metrics.prediction import linear_fit, linear_prediction_mse, linear_r2
from deepnrc.metrics.view import Undefined
from reference import prediction
from reference.generators import centered_orthonormal, features_with_spectrum
from twins import accumulated, few_rows, shifted, view_of, view_of_moments


def test_hand_made_features(rng):
    Q = centered_orthonormal(rng, 40, 4) * np.sqrt(40)  # four uncorrelated variables of variance 1
    H = Q[:, :2] + 7
    Y = np.stack([Q[:, 0] + 2 * Q[:, 2], Q[:, 1]], axis=1) - 3
    assert linear_prediction_mse(view_of(H, Y)) == pytest.approx(4 / 2, rel=1e-13)
    assert linear_r2(view_of(H, Y)) == pytest.approx(1 - 4 / 6, rel=1e-13)


def test_without_intercept_the_mean_is_paid_for(rng):
    Q = centered_orthonormal(rng, 40, 1) * np.sqrt(40)
    with_one, without = view_of(Q, Q + 3), view_of(Q, Q + 3, intercept=False)
    assert linear_prediction_mse(with_one) == pytest.approx(0, abs=1e-14)
    assert linear_prediction_mse(without) == pytest.approx(9, rel=1e-13)
    assert linear_r2(without) == pytest.approx(1 - 9, rel=1e-13)


@pytest.mark.parametrize("shape", [(60, 9, 2), (8, 30, 3), (40, 3, 7)])
@pytest.mark.parametrize("mean", [0.0, 1e6])
@pytest.mark.parametrize("intercept", [True, False])
def test_agrees_with_the_twin(rng, shape, mean, intercept):
    N, d, t = shape
    H, Y = rng.standard_normal((N, d)) + mean, rng.standard_normal((N, t))
    view = view_of(H, Y, intercept=intercept)
    expected = prediction.linear_prediction_mse(H, Y, intercept=intercept)
    # N < d interpolates: the error is 0 and what is found is rounding. Without an intercept, a mean
    # of 1e6 leaves the other directions eps·1e12 of precision.
    rounds = expected < 1e-20 or (mean and not intercept)
    allowed = linear_fit(view).floor if rounds else 1e-10 * expected
    assert abs(linear_prediction_mse(view) - expected) <= allowed


def test_directions_below_rcond_are_dropped(rng):
    Q = centered_orthonormal(rng, 40, 2) * np.sqrt(40)
    H = Q * [1.0, 0.5e-3]
    assert linear_fit(view_of(H, Q, rcond=1e-3)).rank == 1
    assert linear_prediction_mse(view_of(H, Q, rcond=1e-3)) == pytest.approx(1 / 2, rel=1e-10)
    assert linear_fit(view_of(H, Q, rcond=1e-4)).rank == 2
    assert linear_prediction_mse(view_of(H, Q, rcond=1e-4)) == pytest.approx(0, abs=1e-9)


def test_a_direction_exactly_at_the_cut_is_in_doubt_and_the_floor_says_so(rng):
    Q = centered_orthonormal(rng, 40, 2) * np.sqrt(40)
    fit = linear_fit(view_of(Q * [1.0, 1e-3], Q, rcond=1e-3))
    assert fit.mse in (pytest.approx(0, abs=1e-9), pytest.approx(1 / 2, rel=1e-9))
    assert fit.floor >= 1 / 2 * (1 - 1e-9)


def test_no_rcond_reaches_below_what_moments_resolve(rng):
    """Of exact rank 3, with rcond = 0: directions of rounding would 'explain' what they please."""
    H = rng.standard_normal((18, 3)) @ rng.standard_normal((3, 22))
    Y = rng.standard_normal((18, 3))
    fit = linear_fit(view_of(H, Y, rcond=0.0))
    assert fit.rank == 3
    expected = prediction.linear_prediction_mse(H, Y, rcond=1e-6)
    assert abs(fit.mse - expected) <= fit.floor < 1e-10


def problem(rng, N, d, t):
    """Features of any conditioning, rotated, rectified or at the cut; targets in any relation.

    Ones made to be hard: a kept direction of little use beside a dropped one that explains a lot,
    and columns of very different spread.
    """
    kind, r = rng.integers(0, 5), min(d, N - 1)
    if kind == 0:
        H = features_with_spectrum(rng, N, d, np.geomspace(1, 10 ** rng.uniform(-12, 0), r))
    elif kind == 1:
        H = rng.standard_normal((N, d)) * 10 ** rng.uniform(-3, 0, d)
    elif kind == 4:
        signal = rng.standard_normal((N, t)) @ rng.standard_normal((t, d))
        H = np.maximum(signal + 10 ** rng.uniform(-4, 0) * rng.standard_normal((N, d)), 0)
    else:
        values = np.ones(r)
        near = 1 + rng.standard_normal(r - r // 2) * 10 ** rng.uniform(-9, -1)
        values[r // 2 :] = 1e-6 * near  # rcond², the cut
        H = features_with_spectrum(rng, N, d, values)
        if kind == 3:
            H[:, :r] = np.sqrt(N * values) * centered_orthonormal(rng, N, r)
            H[:, r:] = 0
    left, sizes, _ = np.linalg.svd(H, full_matrices=False)
    relation = rng.integers(0, 4)
    if relation == 0:
        Y = rng.standard_normal((N, t))
    elif relation == 1:
        Y = left @ (
            rng.standard_normal((len(sizes), t)) * 10 ** rng.uniform(-4, 0, (len(sizes), 1))
        )
    elif relation == 2:
        Y = H @ rng.standard_normal((d, t))
    else:
        share = np.where(sizes >= 1e-3 * sizes[0], 10 ** rng.uniform(-6, 0), 1.0)
        Y = left @ (rng.standard_normal((len(sizes), t)) * share[:, None])
    H = (H + rng.choice([0, 1, 1e3]) * rng.standard_normal(d)) * 10 ** rng.uniform(-5, 5)
    return H, Y * 10 ** rng.uniform(-5, 5) + rng.choice([0.0, 1.0])


def seeds(fast, slow):
    """The first ones in the fast tier, the rest in the slow one."""
    rest = (pytest.param(seed, marks=pytest.mark.slow) for seed in range(fast, fast + slow))
    return pytest.mark.parametrize("seed", [*range(fast), *rest])


@seeds(20, 200)
def test_the_floor_is_honest_in_double_precision(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        N, d, t = rng.integers(5, 120), rng.integers(2, 30), rng.integers(1, 4)
        H, Y = problem(rng, N, d, t)
        options = {
            "intercept": bool(rng.integers(0, 2)),
            "rcond": float(rng.choice([1e-3, 1e-2, 1e-5])),
        }
        fit = linear_fit(view_of_moments(accumulated(H, Y, sizes=(17,)), **options))
        expected = prediction.linear_prediction_mse(H, Y, **options)
        assert abs(fit.mse - expected) <= fit.floor, (N, d, t, options)


@seeds(12, 100)
def test_the_floor_is_honest_in_single_precision(seed):
    rng = np.random.default_rng(seed)
    N, d, t = rng.integers(3000, 6000), rng.integers(129, 160), rng.integers(1, 4)
    H, Y = problem(rng, N, d, t)
    H = H.astype(np.float32)
    moments = accumulated(H, Y, dtype=torch.float32)
    assert moments.single_scatter.any()
    for intercept in (True, False):
        rows = few_rows(H, Y, centered=intercept)
        for rcond in (1e-3, 1e-2, 1e-5):
            fit = linear_fit(view_of_moments(moments, intercept=intercept, rcond=rcond))
            expected = prediction.linear_prediction_mse(*rows, intercept=False, rcond=rcond)
            assert abs(fit.mse - expected) <= fit.floor, (intercept, rcond)


def check_all_that_is_resolved(fit, expected):
    """The floor bounds the deviation where nothing is dropped; what is dropped only adds error."""
    assert expected <= fit.mse + fit.floor
    if not fit.unresolved:
        assert fit.mse - expected <= fit.floor


@seeds(20, 380)  # 10,000 problems
def test_the_floor_holds_for_all_that_double_precision_resolves(seed):
    rng = np.random.default_rng(1000 + seed)
    for _ in range(25):
        N, d, t = rng.integers(5, 120), rng.integers(2, 30), rng.integers(1, 4)
        H, Y = problem(rng, N, d, t)
        H, Y = H * 10.0 ** rng.uniform(-4, 4, d), Y * 10.0 ** rng.uniform(-4, 4, t)
        intercept = bool(rng.integers(0, 2))
        fit = linear_fit(view_of_moments(accumulated(H, Y, sizes=(17,)), intercept=intercept))
        expected = prediction.linear_prediction_mse(H, Y, intercept=intercept)
        check_all_that_is_resolved(fit, expected)


@seeds(6, 100)
def test_the_floor_holds_for_all_that_single_precision_resolves(seed):
    rng = np.random.default_rng(1000 + seed)
    N, d, t = rng.integers(3000, 6000), rng.integers(129, 160), rng.integers(1, 4)
    H, Y = problem(rng, N, d, t)
    H = (H * 10.0 ** rng.uniform(-2, 2, d)).astype(np.float32)
    moments = accumulated(H, Y, dtype=torch.float32)
    for intercept in (True, False):
        rows = few_rows(H, Y, centered=intercept)
        fit = linear_fit(view_of_moments(moments, intercept=intercept))
        check_all_that_is_resolved(fit, prediction.linear_prediction_mse(*rows, intercept=False))


def test_units_do_not_matter(rng):
    """A time stamp among standardized columns, and targets in units 1e4 apart."""
    H, noise = rng.standard_normal((3000, 6)), 0.1 * rng.standard_normal((3000, 2))
    Y = H[:, 1:3] + H[:, 2:4] + noise
    expected = prediction.linear_prediction_mse(H, Y)
    stamped = H * [1e7, 1, 1e-6, 1, 1e3, 1] + [1.6e9, 0, 0, 5, 0, 0]
    assert linear_fit(view_of(stamped, Y)).rank == 6
    assert linear_prediction_mse(view_of(stamped, Y)) == pytest.approx(expected, rel=1e-9)
    assert linear_r2(view_of(stamped, Y * [1, 1e4])) == pytest.approx(
        prediction.linear_r2(H, Y * [1, 1e4]), rel=1e-9
    )


@pytest.mark.parametrize("when", [1100, 3000, 4900])
@pytest.mark.parametrize("seed", range(3))
def test_the_floor_is_honest_where_later_rows_are_unlike_the_first(seed, when):
    """Such rows are summed in double precision, with the targets in double precision too."""
    H, Y = shifted(np.random.default_rng(seed), when, noise=1e-9)
    moments = accumulated(H, Y, dtype=torch.float32)
    for rcond in (1e-3, 1e-5):
        fit = linear_fit(view_of_moments(moments, rcond=rcond))
        expected = prediction.linear_prediction_mse(*few_rows(H, Y), rcond=rcond)
        assert abs(fit.mse - expected) <= fit.floor
        assert fit.floor < 1e-8 * Y.var()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_floor_is_small_on_well_conditioned_features(rng, dtype):
    H = features_with_spectrum(rng, 4000, 140, np.linspace(1, 0.1, 140))
    Y = H[:, :2] + 0.01 * rng.standard_normal((4000, 2))
    fit = linear_fit(view_of_moments(accumulated(H, Y, dtype=dtype)))
    assert fit.floor <= (1e-6 if dtype == torch.float32 else 1e-13) * Y.var()


def test_constant_targets_and_features(rng):
    H, Y = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    constant = view_of(H, np.full((9, 2), 0.1))
    reason = Undefined("the targets are the same for every sample")
    assert linear_prediction_mse(constant) == reason
    assert linear_r2(constant) == reason
    without = view_of(np.ones((9, 1)), np.full((9, 2), 3.0), intercept=False)
    assert linear_prediction_mse(without) == pytest.approx(0, abs=1e-14)
    assert linear_r2(without) == reason
    # Constant features predict the mean, exactly; without an intercept as well, by the mean.
    for H in (np.full((9, 3), 0.1), np.zeros((9, 3))):
        fit = linear_fit(view_of(H, Y))
        assert fit.mse == pytest.approx(Y.var(0).mean())
        assert fit.floor < 1e-14 * Y.var()
        assert fit.rank == 0
        assert linear_r2(view_of(H, Y)) == pytest.approx(0, abs=1e-15)
    assert linear_prediction_mse(view_of(np.zeros((9, 3)), Y, intercept=False)) == pytest.approx(
        (Y**2).mean()
    )


def test_one_sample_is_undefined_with_an_intercept_and_exact_without():
    H, Y = np.array([[1.0, 2]]), np.array([[3.0]])
    assert linear_prediction_mse(view_of(H, Y)) == Undefined("one sample has no variance")
    assert linear_prediction_mse(view_of(H, Y, intercept=False)) == pytest.approx(0, abs=1e-14)
    assert linear_r2(view_of(H, Y)) == Undefined("one sample has no variance")
