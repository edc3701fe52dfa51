"""The floor of NRC1 holds: against singular values of the features, which are not squared."""

import numpy as np
import pytest
import torch

from deepnrc.metrics.spectrum import noise_component, noise_component_floor
from deepnrc.metrics.view import Undefined
from reference.floor_problems import problem
from twins import accumulated, view_of_moments

_TWIN = 1e-30  # rounding of the twin: eps² of the largest singular value, squared


def exceeds(seed, dtype, *, wide=False):
    rng = np.random.default_rng(seed)
    _, H, Y = problem(rng, dtype, wide=wide)
    center, size = bool(rng.integers(0, 2)), 500 if wide else int(rng.integers(1, 60))
    k = int(rng.integers(1, max(2, H.shape[1])))
    view = view_of_moments(accumulated(H, Y, sizes=(size,), dtype=dtype), k=k, center=center)
    found = noise_component(view)
    if isinstance(found, Undefined):
        return False
    exact = H.astype(np.longdouble)
    if center:
        exact = exact - exact.mean(0)
        exact = exact - exact.mean(0)
    exact = (exact / np.abs(exact).max()).astype(np.float64)
    energy = np.linalg.svd(exact, compute_uv=False) ** 2
    expected = energy[k:].sum() / energy.sum()
    return abs(found - expected) > noise_component_floor(view) + _TWIN


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_floor_holds(dtype):
    assert [seed for seed in range(250) if exceeds(seed, dtype)] == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_floor_holds_in_ten_thousand_problems(dtype):
    assert [seed for seed in range(10_000) if exceeds(seed, dtype)] == []


@pytest.mark.slow
def test_the_floor_holds_for_wide_float32_sums():
    assert [seed for seed in range(200) if exceeds(seed, torch.float32, wide=True)] == []
