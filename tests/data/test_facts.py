import math

import numpy as np
import pytest
import torch

from deepnrc.data import RawData
from deepnrc.data.facts import data_facts
from deepnrc.errors import NonFiniteError


def raw(targets, inputs=None):
    targets = torch.as_tensor(targets, dtype=torch.float64)
    names = tuple(f"y{i}" for i in range(targets.shape[1]))
    facts = {"data": "x", "made_from": "numbers"}
    inputs = torch.zeros(len(targets), 5) if inputs is None else inputs
    return RawData(inputs, targets, tuple("abcde"), names, facts)


def test_numbers_are_those_of_numpy(rng):
    values = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 3)) + [1e3, 0, -5]
    facts = data_facts(raw(values))
    assert (facts.rows, facts.input_shape) == (50, (5,))
    # float64 on both sides; the covariance loses at most 1e-10 to the mean of 1e3.
    close = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(facts.means, values.mean(axis=0), **close)
    np.testing.assert_allclose(facts.deviations, values.std(axis=0), **close)
    covariance = np.cov(values.T, bias=True)
    np.testing.assert_allclose(facts.spectrum, np.linalg.eigvalsh(covariance)[::-1], **close)
    correlations = np.corrcoef(values.T)
    np.testing.assert_allclose(facts.correlations, correlations, **close)
    expected = np.linalg.eigvalsh(correlations)[::-1]
    np.testing.assert_allclose(facts.standardized_spectrum, expected, **close)
    assert facts.ranges == tuple(zip(values.min(axis=0), values.max(axis=0), strict=True))


def test_constant_targets_have_no_correlations_and_no_variance():
    facts = data_facts(raw([[0.1, 1], [0.1, 2], [0.1, 4]]))
    assert facts.deviations[0] == 0
    assert facts.means[0] == 0.1
    assert all(math.isnan(facts.correlations[i][j]) for i, j in ((0, 0), (0, 1), (1, 0)))
    assert facts.correlations[1][1] == pytest.approx(1)
    assert facts.standardized_spectrum == pytest.approx((1, 0))
    assert facts.spectrum[1] == 0


def test_all_constant():
    facts = data_facts(raw([[2.0], [2.0]]))
    assert facts.spectrum == facts.standardized_spectrum == (0,)


def test_images_are_not_read():
    class Images:
        shape = (2, 3, 4, 5)

        def __len__(self):
            return 2

        def __getitem__(self, rows):
            raise AssertionError

    facts = data_facts(raw([[1.0], [2.0]], Images()))
    assert facts.input_shape == (3, 4, 5)


def test_broken_targets():
    with pytest.raises(NonFiniteError, match=r"targets must be finite; .* column\(s\) 0"):
        data_facts(raw([[math.nan]]))
