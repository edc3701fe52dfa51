"""One network or several, and scaled targets: closed forms against training on made targets."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.theory import (
    preprocessing_errors,
    target_moments,
    target_rounding,
    task_errors,
)
from reference import ufm as twin

SIGMA = np.array([[2.0, 0.6], [0.6, 1.0]])
seeds = st.integers(0, 2**32 - 1)


def random_covariance(rng, t):
    A = rng.standard_normal((t, t + 1))
    return A @ A.T / t


def test_the_check_values():
    """c = .96: single 1.92, whitened 2.88, standardized 2.303604."""
    tasks = task_errors(SIGMA, c=0.96)
    assert tasks.multi == pytest.approx(1.678975032, abs=5e-10)
    assert tasks.single == pytest.approx(1.92, rel=1e-14)
    found = preprocessing_errors(SIGMA, c=0.96)
    assert found["whitened"].mse == pytest.approx(2.88, rel=1e-14)
    assert found["standardized"].mse == pytest.approx(2.303604, abs=5e-7)
    assert found["raw"].mse == pytest.approx(tasks.multi, rel=1e-14)
    assert [option.rank for option in found.options] == [1, 1, 2]


# --- preprocessing ------------------------------------------------------------------------------


@given(seeds, st.integers(1, 4), st.floats(-4, 1))
def test_errors_are_those_of_training_on_transformed_targets(seed, t, log_c):
    rng = np.random.default_rng(seed)
    sigma, c = random_covariance(rng, t), 10**log_c
    Y, P = twin.targets(sigma, rng.standard_normal(t)), rng.standard_normal((t, t))
    values, vectors = np.linalg.eigh(sigma)
    by_name = {
        "raw": np.eye(t),
        "standardized": np.diag(np.diag(sigma) ** -0.5),
        "whitened": vectors @ np.diag(values**-0.5) @ vectors.T,
        "mine": P,
    }
    found = preprocessing_errors(sigma, c=c, transforms={"mine": P})
    assert [option.name for option in found.options] == list(by_name)
    for option in found.options:
        expected = twin.mse_after_transform(Y, by_name[option.name], c)
        # A random P may be ill-conditioned; mapping back multiplies rounding by its square.
        rel = 1e-12 * max(np.linalg.cond(by_name[option.name]) ** 2, 1e3)
        assert option.mse == pytest.approx(expected, rel=rel)
        assert sum(option.mse_by_target) == pytest.approx(option.mse)
        assert option.r2 == pytest.approx(1 - option.mse / np.trace(sigma), abs=1e-9)


@given(seeds, st.floats(-4, 1))
def test_whitening_and_any_rotation_of_it(seed, log_c):
    rng = np.random.default_rng(seed)
    sigma, c = random_covariance(rng, 3), 10**log_c
    whitened = preprocessing_errors(sigma, c=c)["whitened"].mse
    assert whitened == pytest.approx(min(c, 1) * np.trace(sigma), rel=1e-9)
    cholesky = np.linalg.inv(np.linalg.cholesky(sigma))
    found = preprocessing_errors(sigma, c=c, transforms={"cholesky": cholesky})
    assert found["cholesky"].mse == pytest.approx(whitened, rel=1e-6)


@given(seeds, st.floats(-2, 2))
def test_for_small_c_the_mean_variance_decides(seed, log_scale):
    sigma = 10**log_scale * random_covariance(np.random.default_rng(seed), 3)
    found = preprocessing_errors(sigma, c=1e-3 * min(1, np.linalg.eigvalsh(sigma)[0]))
    if not found["standardized"].rank == found["whitened"].rank == 3:
        return
    better = np.trace(sigma) / 3 < 1
    assert (found["whitened"].mse < found["raw"].mse) == better
    assert found["standardized"].mse == pytest.approx(found["whitened"].mse, rel=1e-6)


def test_a_singular_covariance_is_whitened_on_its_range():
    found = preprocessing_errors([[1.0, 1.0], [1.0, 1.0]], c=0.01)
    assert found["whitened"].mse == pytest.approx(0.02)
    assert found["whitened"].note == "on the 1 direction with variance"
    assert found["standardized"].mse == pytest.approx(found["raw"].mse)
    assert found["standardized"].note == ""


def test_a_constant_target_is_left_as_it_is():
    found = preprocessing_errors(np.diag([4.0, 0.0]), c=0.01)
    assert found["standardized"].mse == pytest.approx(0.04)
    assert found["standardized"].mse_by_target == pytest.approx((0.04, 0.0))
    assert found["standardized"].note == "1 constant target left unchanged"


def test_all_constant():
    found = preprocessing_errors(np.zeros((2, 2)), c=0.01)
    assert [option.mse for option in found.options] == [0, 0, 0]
    assert math.isnan(found["raw"].r2)
    assert found.best == "raw"
    assert found.recommendation == (
        "The targets are constant: there is nothing to learn, whatever the scaling."
    )


# --- the recommendation -------------------------------------------------------------------------


def test_it_quotes_its_numbers():
    found = preprocessing_errors(SIGMA, c=0.96)
    assert found.best == "raw"
    assert found.recommendation == (
        "At c = 0.96, of a total variance of 3, training leaves 1.679 raw, 2.304 standardized, "
        "2.88 whitened. Keep the targets raw: the next best leaves 37% more. Directions learned, "
        "of 2: 1 raw, 1 standardized, 2 whitened."
    )


def test_small_targets_should_be_standardized_which_is_simpler_than_whitening():
    found = preprocessing_errors(SIGMA / 10, c=0.001)
    assert found.best == "standardized"
    assert found.recommendation == (
        "At c = 0.001, of a total variance of 0.3, training leaves 0.002 raw, 0.0003 standardized, "
        "0.0003 whitened. Train on standardized targets: 85% less error than on raw ones. At a c "
        "this small, standardizing and whitening help only when the mean variance is below 1; 0.15 "
        "is below 1."
    )


def test_large_targets_should_stay():
    text = preprocessing_errors(SIGMA, c=0.001).recommendation
    assert "Keep the targets raw: the next best leaves 50% more." in text
    assert text.endswith("below 1; 1.5 is not below 1.")


def test_what_makes_no_difference():
    text = preprocessing_errors(np.eye(2), c=0.3).recommendation
    assert "Keep the targets raw: nothing else is better by 1 %." in text
    text = preprocessing_errors(SIGMA, c=0.0).recommendation
    assert text.endswith("Without regularization every choice fits: keep the targets raw.")


def test_infinite_c_learns_nothing_any_way():
    found = preprocessing_errors(SIGMA, c=math.inf)
    assert [option.mse for option in found.options] == [pytest.approx(3.0)] * 3
    assert [option.rank for option in found.options] == [0, 0, 0]
    assert found.best == "raw"


# --- as text ------------------------------------------------------------------------------------


def test_as_a_table_with_and_without_the_targets():
    found = preprocessing_errors(np.diag([4.0, 0.0]), c=0.01)
    assert str(found) == (
        "Training error predicted at c = 0.01, in the targets' own units\n"
        "\n"
        "targets        error      R²  directions\n"
        "────────────────────────────────────────\n"
        "raw             0.01  0.9975           1\n"
        "standardized*   0.04  0.9900           1\n"
        "whitened*       0.04  0.9900           1\n"
        "* standardized: 1 constant target left unchanged\n"
        "* whitened: on the 1 direction with variance\n"
        "\n"
        f"{found.recommendation}"
    )
    lines = found.text(("mass", "age"), task_errors(np.diag([4.0, 0.0]), c=0.01)).splitlines()
    assert lines[2].split() == ["targets", "error", "R²", "directions", "mass", "age"]
    assert lines[4].split() == ["raw", "0.01", "0.9975", "1", "0.01", "0"]
    assert lines[7].split() == ["one", "network", "each", "0.01", "0.01", "0"]


def test_the_errors_of_more_than_six_targets_are_left_out():
    found = preprocessing_errors(np.eye(7), c=0.01)
    names = [f"t{i}" for i in range(7)]
    assert found.text(names) == str(found)


# --- refused ------------------------------------------------------------------------------------


def test_what_cannot_be_mapped_back():
    with pytest.raises(
        ArgumentError,
        match=r"transforms\['p'\] must be invertible, as predictions .*; got a singular",
    ):
        preprocessing_errors(SIGMA, c=0.1, transforms={"p": np.ones((2, 2))})
    with pytest.raises(
        ArgumentError, match=r"transforms\['p'\] must have 2 rows; got shape \(3, 3\)"
    ):
        preprocessing_errors(SIGMA, c=0.1, transforms={"p": np.eye(3)})
    with pytest.raises(ArgumentError, match="transforms holds 'raw', a name that is taken"):
        preprocessing_errors(SIGMA, c=0.1, transforms={"raw": np.eye(2)})
    with pytest.raises(ArgumentError, match="c must be 0 or positive; got -1"):
        preprocessing_errors(SIGMA, c=-1.0)
    with pytest.raises(ArgumentError, match="target_covariance must be symmetric"):
        preprocessing_errors([[1.0, 0.0], [1.0, 1.0]], c=0.1)


def test_an_unknown_name():
    with pytest.raises(KeyError, match="no preprocessing named 'pca'; there are raw, standardized"):
        preprocessing_errors(SIGMA, c=0.1)["pca"]


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("seed", [0, 19])
def test_targets_rounded_to_float32_are_whitened_on_their_own_directions(seed, offset):
    """Rounding fills the other directions with variance of 1e-15, which whitening blew up."""
    generator = torch.Generator().manual_seed(seed)
    exact = torch.randn(500, 4, generator=generator) @ torch.randn(4, 20, generator=generator)
    targets = (exact + offset).float()
    covariance = target_moments(targets)[1]
    found = preprocessing_errors(covariance, c=0.1, floor=target_rounding(targets))
    assert found["whitened"].rank == 4
    assert found["whitened"].note == "on the 4 directions with variance"
    # The error of whitened targets is c of the variance, which float32 keeps to 1e-4 at 1000.
    assert found["whitened"].mse == pytest.approx(0.1 * float(covariance.trace()), rel=1e-6)


def test_whitening_needs_no_floor_to_stay_a_covariance():
    """Of these targets PΣPᵀ had the eigenvalue −4.5e-7, and the whole table was refused."""
    rng = np.random.default_rng(19)
    for _ in range(20):
        targets = (rng.standard_normal((50, 4)) @ rng.standard_normal((4, 20)) + 10).astype("f4")
        found = preprocessing_errors(target_moments(targets)[1], c=0.1)
        assert found["whitened"].mse > 0


def test_the_rounding_of_targets_bounds_what_rounding_does():
    exact = np.random.default_rng(0).standard_normal((4000, 3)) + 100
    moved = exact.astype(np.float32) - exact
    largest = np.linalg.eigvalsh(moved.T @ moved / len(moved))[-1]
    bound = target_rounding(exact.astype(np.float32))
    # Four units in the last place of each target are allowed; rounding alone moves ±1/2.
    assert largest < bound < 3000 * largest
    assert target_rounding(exact) < 1e-16 * bound
    assert target_rounding([[1.0], [2.0]]) == pytest.approx(16 * 2.0**-104 * 2.5)
    with pytest.raises(ArgumentError, match="floor must be 0 or positive"):
        preprocessing_errors(SIGMA, c=0.1, floor=-1.0)
