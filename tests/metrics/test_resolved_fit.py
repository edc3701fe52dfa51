"""NRC4 without a cut-off: no units matter, what is dropped is said, and the floor holds."""

import numpy as np
import pytest
import torch

from deepnrc.metrics.prediction import linear_fit, linear_prediction_mse
from reference.exact_prediction import exact_prediction_mse
from reference.floor_problems import problem
from reference.generators import centered_orthonormal
from twins import accumulated, view_of, view_of_moments


def excess(seed, dtype, *, wide=False):
    """By how much the floor is exceeded, and floor / error; None where the floor does not say.

    What is not resolved may lower the error, except for copies, which add nothing; so where all
    that are no copies are kept, it does not.
    """
    rng = np.random.default_rng(seed)
    kind, H, Y = problem(rng, dtype, wide=wide)
    intercept, size = bool(rng.integers(0, 2)), 500 if wide else int(rng.integers(1, 60))
    moments = accumulated(H, Y, sizes=(size,), dtype=dtype)
    fit = linear_fit(view_of_moments(moments, intercept=intercept))
    expected, _ = exact_prediction_mse(H, Y, intercept=intercept)
    off = expected - fit.mse
    distinct = min(H.shape[1] - H.shape[1] // 2, len(H) - intercept)
    if fit.unresolved == 0 or (kind == "copies" and fit.rank >= distinct):
        off = abs(off)
    return off - fit.floor, fit.floor / abs(off) if off else np.inf


def check(seeds, dtype, *, wide=False):
    found = [excess(seed, dtype, wide=wide) for seed in seeds]
    exceeded = [seed for seed, (over, _) in zip(seeds, found, strict=True) if over > 0]
    assert not exceeded
    return float(np.median([ratio for _, ratio in found]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_floor_holds(dtype):
    assert check(range(250), dtype) < 1e4


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_floor_holds_in_ten_thousand_problems(dtype):
    assert check(range(10_000), dtype) < 1e4


def test_the_floor_holds_for_wide_float32_sums():
    check(range(3), torch.float32, wide=True)


@pytest.mark.slow
def test_the_floor_holds_for_many_wide_float32_sums():
    check(range(200), torch.float32, wide=True)


def test_units_do_not_matter(rng):
    """A time stamp in seconds among standardized columns, and one target 1e4 times another."""
    H = rng.standard_normal((300, 6))
    Y = H[:, 1:3] * [1.0, 1e4]
    H[:, 0] = 1.6e9 + 1e7 * H[:, 0]
    fit = linear_fit(view_of(H, Y))
    assert (fit.rank, fit.below_cut, fit.unresolved) == (6, 0, 0)
    assert fit.mse <= fit.floor < 1e-13 * Y.var()
    assert linear_fit(view_of(H, Y, rcond=1e-3)).below_cut == 5
    one = linear_fit(view_of(H * 2.0 ** np.arange(-30, 30, 10), Y))
    assert one == fit  # powers of two are exact


def test_a_direction_that_rounding_hides_is_counted(rng):
    Q = centered_orthonormal(rng, 80, 2) * np.sqrt(80)
    H = np.stack([Q[:, 0], Q[:, 0] + 1e-9 * Q[:, 1]], axis=1)
    fit = linear_fit(view_of(H, Q[:, 1:]))
    assert (fit.rank, fit.unresolved) == (1, 1)
    # One direction more than rows allow is none that is hidden.
    assert linear_fit(view_of(rng.standard_normal((5, 8)), Q[:5])).unresolved == 0


@pytest.mark.parametrize("power", [-560, -530, -515, -495, -470, 400, 480])
@pytest.mark.parametrize("intercept", [True, False])
def test_squares_beyond_float64_are_undefined_or_right(rng, power, intercept):
    H, Y = rng.standard_normal((60, 4)), rng.standard_normal((60, 2))
    found = linear_prediction_mse(view_of(H * 2.0**power, Y, intercept=intercept))
    if power < -500:
        assert "squares underflow float64" in found.reason
    else:
        assert found == linear_prediction_mse(view_of(H, Y, intercept=intercept))


def test_a_column_whose_squares_are_lost_is_counted(rng):
    H, Y = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    H[:, 1] *= 1e-170
    assert linear_fit(view_of(H, Y)).unresolved == 1
    assert linear_fit(view_of(H[:, [0, 2]], Y)).mse == pytest.approx(linear_fit(view_of(H, Y)).mse)
