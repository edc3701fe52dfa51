"""Covariances of targets, targets with a covariance, and what is no covariance."""

import math

import numpy as np
import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.theory import target_moments, targets_with_covariance
from deepnrc.theory.covariance import covariance_spectrum, unfitted


def test_target_moments(rng):
    Y = rng.standard_normal((50, 3)) + 5
    mean, covariance = target_moments(Y)
    assert mean.numpy() == pytest.approx(Y.mean(axis=0))
    assert covariance.numpy() == pytest.approx(np.cov(Y.T, bias=True))
    assert target_moments([1.0, 3.0])[1].tolist() == [[1.0]]
    with pytest.raises(ArgumentError, match="targets must be finite"):
        target_moments([[math.nan]])


def test_targets_have_the_covariance_asked_for(rng):
    A = rng.standard_normal((3, 2))
    mean, covariance = target_moments(targets_with_covariance(A @ A.T, target_mean=[1, 2, 3]))
    assert mean.tolist() == pytest.approx([1, 2, 3])
    assert covariance.numpy() == pytest.approx(A @ A.T, abs=1e-14)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (
            [[1.0, 0.5], [0.4, 1.0]],
            r"must be symmetric; got 0.5 at \(0, 1\) and 0.4 at \(1, 0\): if",
        ),
        ([[1.0, 2.0], [2.0, 1.0]], "semi-definite.*; got a matrix with the eigenvalue -1"),
        ([[-1.0]], "got a matrix with the eigenvalue -1"),
        ([[1.0, 0.0]], r"must be square \(t × t\); got 1 × 2"),
        ([[1.0, math.nan], [math.nan, 1.0]], "must be finite; it holds NaN or infinity"),
        ([[math.inf]], "must be finite"),
        (np.zeros((0, 0)), r"at least one row and column; got shape \(0, 0\)"),
        (np.zeros((2, 2, 2)), r"got shape \(2, 2, 2\)"),
        ([["a"]], "target_covariance must be a matrix of numbers"),
    ],
)
def test_what_is_no_covariance(covariance, message):
    with pytest.raises(ArgumentError, match=message):
        covariance_spectrum(covariance)


def test_spectrum_and_what_is_left_unfitted():
    covariance, spectrum = covariance_spectrum([[2.0, 0.6], [0.6 + 1e-9, 1.0]])
    assert torch.equal(covariance, covariance.T)
    assert spectrum.values.tolist() == pytest.approx([1.5 + 0.61**0.5, 1.5 - 0.61**0.5])
    assert unfitted(spectrum, 5.0).numpy() == pytest.approx(covariance.numpy(), abs=1e-14)
    assert unfitted(spectrum, 0.1).numpy() == pytest.approx(0.1 * np.eye(2), abs=1e-15)
