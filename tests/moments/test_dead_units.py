"""Dead units: left out of the sums, counted from the first row in which they are not zero."""

import pytest
import torch

from deepnrc.moments.dead_units import DeadUnits
from deepnrc.moments.record import CHUNK_ROWS, Moments
from twins import accumulated, assert_same_moments, collapsed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("wake", [CHUNK_ROWS - 1, CHUNK_ROWS, 3 * CHUNK_ROWS + 5])
def test_dead_units_that_wake_late_are_counted_whole(rng, dtype, wake):
    N, d = 5 * CHUNK_ROWS, 200
    H, Y = collapsed(rng, N, d, 1e-2)
    H[:, ::4] = 0
    H[wake:, ::8] = rng.standard_normal((N - wake, 25))
    H[N - 1, 4] = 3.0  # one in the very last row
    exact = Moments.from_batch(torch.tensor(H), torch.tensor(Y))
    for sizes in ((700,), (N,)):
        found = accumulated(H, Y, sizes=sizes, dtype=dtype)
        assert_same_moments(found, exact, rtol=1e-12 if dtype == torch.float64 else 1e-6)
        assert not found.feature_scatter[12].any()  # still dead: exactly 0


def test_few_dead_units_are_not_worth_leaving_out(rng):
    H = torch.tensor(rng.standard_normal((50, 20)))
    H[:, 3] = 0
    moments = Moments.from_batch(H, H[:, :1])
    units = DeadUnits(20, torch.device("cpu"))
    assert units.set_aside(moments) is moments
    assert len(units.live) == 20
    H[:, 5] = 0
    assert units.set_aside(Moments.from_batch(H, H[:, :1])).feature_dim == 18
    assert units.dead.tolist() == [3, 5]


def test_a_constant_unit_is_not_dead():
    H = torch.ones(5, 2, dtype=torch.float64)
    H[:, 1] = 0
    units = DeadUnits(2, torch.device("cpu"))
    units.set_aside(Moments.from_batch(H, H[:, :1]))
    assert (units.live.tolist(), units.dead.tolist()) == ([0], [1])
