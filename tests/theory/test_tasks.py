"""One network for all targets or one for each: closed form against the twin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.theory import task_errors
from reference import ufm as twin

SIGMA = np.array([[2.0, 0.6], [0.6, 1.0]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(-4, 2), st.floats(0, 2))
def test_one_network_is_never_worse_with_no_more_penalty(seed, t, log_c, more):
    A = np.random.default_rng(seed).standard_normal((t, t + 1))
    sigma = A @ A.T / t
    c = 10**log_c
    found = task_errors(sigma, c=c, single_c=[c * (1 + more * k) for k in range(t)])
    assert found.multi <= found.single * (1 + 1e-12)
    assert found.multi == pytest.approx(twin.mse(sigma, c), rel=1e-9)
    assert sum(found.multi_by_target) == pytest.approx(found.multi)
    for k in range(t):  # each a model of one target
        alone = twin.mse(sigma[[k]][:, [k]], found.single_c[k])
        assert found.single_by_target[k] == pytest.approx(alone)


def test_uncorrelated_targets_gain_nothing():
    found = task_errors(np.diag([3.0, 1.0]), c=0.5)
    assert found.multi == found.single == 1.0
    assert found.multi_by_target == found.single_by_target == (0.5, 0.5)


def test_several_c_and_what_is_wrong_with_them():
    found = task_errors(SIGMA, c=0.1, single_c=[0.2, 5.0])
    assert found.single_by_target == (0.2, 1.0)
    assert task_errors(SIGMA, c=0.1, single_c=0.3).single_c == (0.3, 0.3)
    with pytest.raises(ArgumentError, match="single_c must be one number or 2; got 3"):
        task_errors(SIGMA, c=0.1, single_c=[1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match=r"single_c\[1\] must be 0 or positive; got -2"):
        task_errors(SIGMA, c=0.1, single_c=[1.0, -2.0])
    with pytest.raises(ArgumentError, match="c must be 0 or positive; got nan"):
        task_errors(SIGMA, c=math.nan)
