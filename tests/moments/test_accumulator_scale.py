"""The accumulator on many rows. In the slow tier."""

import numpy as np
import pytest
import torch

from deepnrc.moments.accumulator import MomentAccumulator
from reference import spectrum
from twins import assert_agree, few_rows, package_values, twin_values, view_of_moments

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("noise", [1e-2, 1e-9])
def test_a_quarter_of_a_million_rows_are_as_exact_as_a_thousand(noise):
    """200 chunks: rounding must not add up, nor the basis go stale."""
    rng = np.random.default_rng(0)
    N, d, t = 250_000, 256, 3
    signal = rng.standard_normal((N, t)) * [2, 1, 0.5]
    H = signal @ np.linalg.qr(rng.standard_normal((d, t)))[0].T
    H += np.sqrt(noise * 5.25 / d) * rng.standard_normal((N, d)) + 0.3
    H, Y = H.astype(np.float32), signal + 0.1 * rng.standard_normal((N, t))
    accumulator = MomentAccumulator(d, t, dtype=torch.float32)
    for start in range(0, N, 1500):
        rows = slice(start, start + 1500)
        accumulator.add(torch.from_numpy(H[rows]), torch.from_numpy(Y[rows]))
    W = rng.standard_normal((20, d))
    view, rows = view_of_moments(accumulator.result(), W), few_rows(H.astype(np.float64), Y)
    found, expected = package_values(view), twin_values(*rows, W, t)
    # NRC1 is promised to 1 % at 1e-9; the noise alignment follows from it.
    assert found["noise_component"] == pytest.approx(spectrum.noise_component(rows[0], t), rel=1e-2)
    assert_agree(found | {"noise_component": 1.0}, expected | {"noise_component": 1.0}, rtol=1e-6)
