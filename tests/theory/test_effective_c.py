"""The c that a last layer implies: found again where an optimum made it, NaN where none did."""

import math

import numpy as np
import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.theory import c_from_error, c_from_gram, ufm_optimum
from reference import ufm as twin
from reference.generators import orthonormal

SIGMA = np.array([[2.0, 0.6], [0.6, 1.0]])


@pytest.mark.parametrize("c", [0.0, 1e-6, 0.3, 0.71])
@pytest.mark.parametrize("ratio", [1.0, 30.0])
def test_c_from_gram_whatever_the_ratio(rng, c, ratio):
    best = ufm_optimum(SIGMA, lambda_h=math.sqrt(c or 1e-24), lambda_w=math.sqrt(c or 1e-24))
    W = ratio * best.weight(orthonormal(rng, 3, 2).T)
    # √c is a difference of numbers of size √s_1, and near 0 its square keeps few digits.
    assert c_from_gram(W, SIGMA) == pytest.approx(c, rel=1e-8, abs=1e-14)


def test_c_from_gram_in_the_low_rank_regime():
    sigma = np.diag([4.0, 2.0, 1.0])
    best = ufm_optimum(sigma, lambda_h=1.5, lambda_w=1.0)
    assert best.rank == 2
    assert c_from_gram(best.weight(), sigma) == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize(
    ("weight", "sigma"),
    [
        (np.eye(2), 3 * np.eye(2)),  # equal eigenvalues
        ([[1.0, 0.0], [0.0, 0.0]], SIGMA),  # one direction
        (np.zeros((2, 2)), SIGMA),
        ([[2.0]], [[1.0]]),  # one target
        (np.eye(2), np.diag([4.0, 1.0])),  # flatter than any optimum
        (np.diag([1.0, 2.0]), np.diag([4.0, 1.0])),  # the wrong way round
        (np.diag([1.2, 1.0]), np.diag([4.0, 1.0])),  # flatter than Σ^{1/2}
    ],
)
def test_c_from_gram_is_undefined(weight, sigma):
    assert math.isnan(c_from_gram(weight, sigma))


@pytest.mark.parametrize("c", [0.0, 0.2, 1.0, 1.7, 3.9])
def test_c_from_error_inverts_the_error(c):
    sigma = np.diag([4.0, 1.0, 1.0, 0.0])
    assert c_from_error(twin.mse(sigma, c), sigma) == pytest.approx(c, rel=1e-14)


def test_c_from_error_at_its_ends():
    assert math.isnan(c_from_error(3.0, SIGMA))
    assert math.isnan(c_from_error(5.0, SIGMA))
    assert math.isnan(c_from_error(0.0, np.zeros((2, 2))))
    assert c_from_error(3.0 - 1e-9, SIGMA) < float(torch.linalg.eigvalsh(torch.tensor(SIGMA))[1])
    with pytest.raises(ArgumentError, match="mse must be 0 or positive; got -1"):
        c_from_error(-1.0, SIGMA)
