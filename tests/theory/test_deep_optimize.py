"""Closed form against solver, neither of which knows the other."""

import math

import numpy as np
import pytest

from deepnrc.errors import ArgumentError
from deepnrc.theory import SolverStatus, deep_ufm_optimum, minimize_deep_ufm
from reference import deep_ufm
from reference.generators import orthonormal

LOSS_RTOL = 1e-9  # the project's goal; measured: 1e-14
GRAM_RTOL = 1e-6  # the same; measured: 1e-11


def targets(rng, roots, rows=None):
    """N × t targets, in any rotation, whose second moment has the eigenvalues roots²."""
    t = len(roots)
    rows = rows or t + 1
    return math.sqrt(rows) * orthonormal(rng, rows, t) @ np.diag(roots) @ orthonormal(rng, t, t).T


def random_problem(rng):
    """Depth 1 to 4, 1 to 4 targets, rows and widths about t, spectra and penalties of all kinds."""
    t, depth = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    roots = np.exp(rng.uniform(-1.5, 1, t))
    if rng.random() < 0.25:
        roots[: t // 2 + 1] = roots[0]  # equal eigenvalues
    if rng.random() < 0.25:
        roots[-1] = 0
    lam = np.exp(rng.uniform(math.log(1e-3), math.log(0.3), depth + 1))
    if rng.random() < 0.5:
        lam[:] = lam[0]
    return {
        "Y": targets(rng, roots, t + int(rng.integers(0, 3))),
        "lambdas": lam[1:].tolist(),
        "lambda_h": float(lam[0]),
        "width": t + int(rng.integers(0, 2)),
    }


def agreement(Y, *, lambdas, lambda_h, width=None, grams=True):
    """Both solutions, after their losses, Grams and feature spectra were found to agree."""
    closed = deep_ufm_optimum(Y.T @ Y / len(Y), lambdas=lambdas, lambda_h=lambda_h)
    found = minimize_deep_ufm(Y, lambdas=lambdas, lambda_h=lambda_h, width=width)
    assert found.status is SolverStatus.CONVERGED
    assert found.loss == pytest.approx(closed.loss, rel=LOSS_RTOL)
    # The closed form is the global minimum: no start got below it.
    assert min(found.start_losses) >= closed.loss * (1 - LOSS_RTOL)
    if grams:
        for i, gram in enumerate(closed.grams.numpy()):
            seen = deep_ufm.seen_from_the_targets(found.weights, i + 1)
            scale = np.linalg.norm(gram) or closed.loss / lambdas[i]
            assert np.linalg.norm(seen - gram) <= GRAM_RTOL * scale
        H = found.features
        for i, spectrum in enumerate(closed.feature_spectra.numpy()):
            values = np.linalg.svd(H, compute_uv=False) ** 2 / len(Y)
            values = np.resize(np.append(values, np.zeros(len(spectrum))), len(spectrum))
            scale = max(spectrum) or closed.loss / lambda_h
            assert values == pytest.approx(spectrum, abs=GRAM_RTOL * scale)
            if i < len(found.weights):
                H = H @ found.weights[i].T
    return closed, found


@pytest.mark.parametrize("seed", range(5))
def test_fifty_random_problems(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        agreement(**random_problem(rng))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_five_hundred_random_problems(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        agreement(**random_problem(rng))


# In units of the threshold s*, at which f(0) = f(x).
HARD = {
    "equal": [2, 2, 2, 0.5],
    "rank-deficient": [2, 1.5, 0, 0],
    "near the threshold": [4, 1.001, 0.999],
    "strong beside weak": [100, 10, 1.2],
    "all below": [0.9, 0.5],
}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kind", HARD)
def test_hard_spectra(rng, kind, depth):
    lambdas, lambda_h = [0.05, 0.002, 0.3][:depth], 0.02
    threshold = deep_ufm_optimum([[1.0]], lambdas=lambdas, lambda_h=lambda_h).threshold
    roots = threshold * np.array(HARD[kind])
    closed, _ = agreement(targets(rng, roots), lambdas=lambdas, lambda_h=lambda_h)
    assert closed.rank == sum(share > 1 for share in HARD[kind])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_direction_exactly_at_the_threshold(rng, depth):
    lambdas = [0.02] * depth
    threshold = deep_ufm_optimum([[1.0]], lambdas=lambdas, lambda_h=0.02).threshold
    # Of two minima with the same loss the solver may find either.
    closed, found = agreement(
        targets(rng, threshold * np.array([3.0, 1.0])), lambdas=lambdas, lambda_h=0.02, grams=False
    )
    assert closed.tied.tolist() == [False, True]
    values = np.linalg.svd(found.weights[-1], compute_uv=False) ** 2
    assert values[0] == pytest.approx(float(closed.weight_spectra[-1, 0]), rel=1e-9)
    kept = deep_ufm_optimum([[threshold**2 * (1 + 1e-9)]], lambdas=lambdas, lambda_h=0.02)
    # 1e-4: for L = 1 the loss is quartic there, and 1e-16 of it hides x of 1e-4.
    either = [0.0, float(kept.weight_spectra[-1, 0])]
    assert min(abs(values[1] - choice) for choice in either) < 1e-4 * values[0]


def test_penalties_far_apart(rng):
    agreement(targets(rng, [2.0, 1.0, 0.5]), lambdas=[10.0, 1e-5, 0.1], lambda_h=1e-3)
    agreement(targets(rng, [1.0, 0.3, 0.1]), lambdas=[1e-5] * 3, lambda_h=1e-5)


def test_fewer_rows_than_targets(rng):
    Y = rng.standard_normal((2, 4))
    closed, found = agreement(Y, lambdas=[0.05, 0.02], lambda_h=0.03)
    assert closed.rank <= 2
    assert (
        len(found.start_losses) == 1 + 2 + 4
    )  # no random starts of ranks that two rows cannot have


def test_constant_targets():
    _, found = agreement(np.zeros((3, 2)), lambdas=[0.1, 0.1], lambda_h=0.1)
    assert found.loss == 0
    assert not found.features.any()


def test_one_weight_is_the_plain_model(rng):
    Y = targets(rng, [1.2, 0.7])
    found = minimize_deep_ufm(Y, lambdas=[0.05], lambda_h=0.02)
    values, U = np.linalg.eigh(Y.T @ Y / len(Y))
    kept = np.maximum(np.sqrt(values) - math.sqrt(0.001), 0)
    expected = math.sqrt(0.02 / 0.05) * U @ np.diag(kept) @ U.T
    assert found.weights[0] @ found.weights[0].T == pytest.approx(expected, rel=1e-9)


def test_a_narrow_layer_keeps_the_strongest_directions(rng):
    Y = targets(rng, [2.0, 1.0, 0.5])
    found = minimize_deep_ufm(Y, lambdas=[0.05, 0.02], lambda_h=0.03, width=2)
    whole = deep_ufm_optimum(np.diag([4.0, 1.0]), lambdas=[0.05, 0.02], lambda_h=0.03)
    assert found.loss == pytest.approx(whole.loss + 0.5**2 / 2, rel=1e-12)
    assert [W.shape for W in found.weights] == [(2, 2), (3, 2)]


def test_the_solution_is_what_it_says(rng):
    Y = targets(rng, [2.0, 1.0], rows=4)
    found = minimize_deep_ufm(Y, lambdas=[0.05, 0.02], lambda_h=0.03, width=3)
    assert found.features.shape == (4, 3)
    assert [W.shape for W in found.weights] == [(3, 3), (2, 3)]
    literal = deep_ufm.objective(Y, found.features, found.weights, [0.05, 0.02], 0.03)
    assert found.loss == pytest.approx(literal, rel=1e-13)
    assert found.gradient < 1e-9
    assert found.curvature > -1e-7
    # zero, a random one a rank, the continuation and its truncation
    assert len(found.start_losses) == len(found.start_statuses) == 1 + 2 + 2
    assert found.loss == min(found.start_losses)
    assert found.start_losses[0] == pytest.approx((Y**2).sum() / 8)  # zero is a minimum
    assert found.start_statuses[0] is SolverStatus.CONVERGED


def test_weak_directions_beside_strong_ones_need_the_continuation(rng):
    """That is what it is for; without it all starts lose the third direction."""
    Y = targets(rng, 0.3 * np.array([100, 10, 1.2]))
    options = {"lambdas": [0.02] * 3, "lambda_h": 0.02}
    threshold = deep_ufm_optimum(np.eye(3), **options).threshold
    Y = Y * threshold / 0.3
    whole = minimize_deep_ufm(Y, **options)
    lost = minimize_deep_ufm(Y, **options, continuation=False)
    assert lost.status is SolverStatus.CONVERGED  # a local minimum, as the docstring warns
    assert lost.loss > whole.loss * 1.001


def test_more_starts_and_another_seed_find_the_same(rng):
    Y = targets(rng, [2.0, 1.0])
    options = {"lambdas": [0.05, 0.02], "lambda_h": 0.03}
    first = minimize_deep_ufm(Y, **options)
    again = minimize_deep_ufm(Y, **options)
    other = minimize_deep_ufm(Y, **options, starts_per_rank=3, seed=1)
    assert (first.features == again.features).all()
    assert (first.features != other.features).any()
    assert other.loss == pytest.approx(first.loss, rel=1e-13)
    assert len(other.start_losses) == 1 + 6 + 2


def test_statuses_of_a_saddle_and_of_too_few_steps(rng):
    Y = targets(rng, [2.0, 1.0])
    alone = {"starts_per_rank": 0, "continuation": False}
    saddle = minimize_deep_ufm(Y, lambdas=[0.1], lambda_h=0.1, max_iterations=0, **alone)
    assert saddle.status is SolverStatus.SADDLE
    assert saddle.curvature < -1
    few = minimize_deep_ufm(Y, lambdas=[0.1, 0.1], lambda_h=0.1, sweeps=0, max_iterations=1)
    assert few.status is SolverStatus.CONVERGED  # zero, before starts that are still on their way
    assert SolverStatus.MAX_ITERATIONS in few.start_statuses
    assert few.loss > min(few.start_losses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambdas": []}, "lambdas must hold the penalty of every weight from W_1 to W_L; got 0"),
        ({"lambdas": [0.0]}, "lambdas[0] must be positive and finite; got 0: without a penalty"),
        ({"lambdas": [math.inf]}, "lambdas[0] must be positive and finite; got inf"),
        ({"width": 0}, "width must be at least 1; got 0"),
        ({"starts_per_rank": -1}, "starts_per_rank must be at least 0; got -1"),
        ({"sweeps": -1}, "sweeps must be at least 0; got -1"),
        ({"max_iterations": -1}, "max_iterations must be at least 0; got -1"),
    ],
)
def test_arguments_that_are_refused(options, message):
    options = {"lambdas": [0.1], "lambda_h": 0.1} | options
    with pytest.raises(ArgumentError) as caught:
        minimize_deep_ufm(np.eye(2), **options)
    assert str(caught.value).startswith(message)


def test_targets_that_are_not_finite():
    with pytest.raises(ArgumentError, match="targets must be finite"):
        minimize_deep_ufm([[math.nan]], lambdas=[0.1], lambda_h=0.1)
