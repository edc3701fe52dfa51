"""Spectra of small symmetric matrices and of weights."""

import numpy as np
import pytest
import torch

from deepnrc.linalg.spectra import (
    numerical_rank,
    right_spectrum,
    symmetric_spectrum,
)
from reference.generators import orthonormal


def symmetric(rng, values):
    Q = orthonormal(rng, len(values), len(values))
    return torch.tensor((Q * values) @ Q.T), Q


def test_symmetric_spectrum_recovers_a_prescribed_one(rng):
    values = np.array([4.0, 2.0, 1.0, 0.5])
    matrix, Q = symmetric(rng, values)
    found = symmetric_spectrum(matrix)
    np.testing.assert_allclose(found.values, values, rtol=1e-14)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors.numpy() * Q, axis=0)), 1, rtol=1e-14)
    assert found.top(2).shape == (4, 2)


def test_dead_coordinates_are_set_aside_exactly(rng):
    matrix = torch.zeros(6, 6, dtype=torch.float64)
    live = [1, 3, 4]
    values = np.array([3.0, 2.0, 1.0])
    matrix[np.ix_(live, live)] = symmetric(rng, values)[0]
    found = symmetric_spectrum(matrix)
    np.testing.assert_allclose(found.values[:3], values, rtol=1e-14)
    assert found.values[3:].tolist() == [0.0] * 3
    assert not found.top(3)[[0, 2, 5]].any()
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(6), atol=1e-14)
    restored = (found.vectors * found.values) @ found.vectors.T
    np.testing.assert_allclose(restored, matrix, atol=1e-14)


def test_the_zero_matrix_has_a_spectrum():
    found = symmetric_spectrum(torch.zeros(3, 3, dtype=torch.float64))
    assert found.values.tolist() == [0.0] * 3
    assert found.vectors.tolist() == np.eye(3).tolist()


def test_rounding_never_leaves_a_negative_eigenvalue(rng):
    H = torch.tensor(np.outer(rng.standard_normal(50), rng.standard_normal(40)))
    assert float(torch.linalg.eigvalsh(H.T @ H)[0]) < 0  # what is to be guarded against
    assert float(symmetric_spectrum(H.T @ H).values.min()) >= 0


@pytest.mark.parametrize("shape", [(3, 9), (9, 3), (100, 80), (80, 100), (200, 70), (1, 1)])
@pytest.mark.parametrize("smallest", [0.5, 1e-2, 1e-4, 1e-8])  # by squares, near the limit, by SVD
def test_right_spectrum_is_the_svds(rng, shape, smallest):
    r = min(shape)
    values = np.geomspace(1.0, smallest, r) if r > 1 else np.ones(1)
    W = (orthonormal(rng, shape[0], r) * values) @ orthonormal(rng, shape[1], r).T
    found = right_spectrum(torch.tensor(W))
    np.testing.assert_allclose(found.values, values, rtol=1e-7)  # eps/1e-8 for the smallest
    k = min(r, 60)
    _, _, vectors = np.linalg.svd(W)
    # The subspace: to eps/1e-5 by squares, to eps over the smallest value by SVD.
    U, V = found.top(k).numpy(), vectors[:k].T
    np.testing.assert_allclose(V - U @ (U.T @ V), 0, atol=1e-11 + 1e-15 / values[k - 1])


def test_rank_of_a_weight_is_found_beyond_64(rng):
    """Squares hold a zero singular value only to 1e-8 of the largest, above a rank's cut-off."""
    W = rng.standard_normal((120, 70)) @ rng.standard_normal((70, 100))
    found = right_spectrum(torch.tensor(W), leading=80)
    assert numerical_rank(found.values, rtol=120 * 2.3e-16) == 70
    found = right_spectrum(torch.tensor(W))
    assert numerical_rank(found.values, rtol=120 * 2.3e-16) == 70


def test_dead_input_columns_do_not_count_for_the_rank(rng):
    W = rng.standard_normal((120, 100))
    W[:, ::5] = 0
    assert numerical_rank(right_spectrum(torch.tensor(W)).values, rtol=120 * 2.3e-16) == 80


@pytest.mark.parametrize(
    ("values", "rtol", "rank"),
    [([2.0, 1.0, 1e-9], 1e-8, 2), ([2.0, 1.0], 0.5, 1), ([0.0, 0.0], 0.0, 0), ([], 0.1, 0)],
)
def test_numerical_rank_counts_above_the_cut(values, rtol, rank):
    assert numerical_rank(torch.tensor(values, dtype=torch.float64), rtol=rtol) == rank
