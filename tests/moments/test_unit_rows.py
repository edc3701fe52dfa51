"""Second moment of unit rows: batching, rows without a direction, extreme sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.moments import unit_rows as module
from deepnrc.moments.unit_rows import UnitRowSums, unit_row_bytes
from reference.last_layer import unit_rows


def summed(*parts, **options):
    sums = UnitRowSums(parts[0].shape[1], **options)
    for part in parts:
        sums.add(part)
    return sums


def test_no_rows():
    result = UnitRowSums(3).result()
    assert (result.count, result.zero_rows) == (0, 0)
    assert torch.equal(result.second_moment, torch.zeros(3, 3, dtype=torch.float64))


def test_zero_rows_are_left_out_and_counted():
    H = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [-5.0, 0.0]])
    sums = summed(H)
    result = sums.result()
    assert (result.count, result.zero_rows, sums.rows) == (2, 2, 4)
    expected = (np.outer([0.6, 0.8], [0.6, 0.8]) + np.outer([1, 0], [1, 0])) / 2
    np.testing.assert_allclose(result.second_moment.numpy(), expected, rtol=1e-15)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e150, 1e300])
def test_length_does_not_count_however_extreme(size):
    H = torch.tensor([[3.0, 4.0]], dtype=torch.float64) * size
    result = summed(H).result()
    assert result.count == 1
    np.testing.assert_allclose(
        result.second_moment.numpy(), [[0.36, 0.48], [0.48, 0.64]], rtol=1e-12
    )


def test_rows_at_the_centre_to_rounding_have_no_direction():
    center = torch.full((2,), 1000.0, dtype=torch.float64)
    H = torch.tensor([[1000.0, 1000.0], [1000.0 + 6.1e-5, 1000.0], [1001.0, 1000.0]])
    result = summed(H, center=center, eps=2.0**-23).result()
    assert (result.count, result.zero_rows) == (1, 2)
    np.testing.assert_allclose(result.second_moment.numpy(), [[1, 0], [0, 0]], atol=1e-15)
    assert summed(H, center=center).result().count == 2  # float64's own zero only


@given(
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5),
    seed=st.integers(0, 2**16),
    centred=st.booleans(),
)
def test_batches_do_not_matter_and_the_mean_is_the_twins(sizes, seed, centred):
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((sum(sizes) + 2, 4)) + 3
    cuts = np.cumsum(sizes)
    parts = [torch.from_numpy(part) for part in np.split(H, cuts)]
    center = torch.from_numpy(H.mean(0)) if centred else None
    result = summed(*parts, center=center).result()
    unit = unit_rows(H, centered=centred)
    np.testing.assert_allclose(
        result.second_moment.numpy(), unit.T @ unit / len(unit), rtol=1e-9, atol=1e-12
    )
    assert float(result.second_moment.trace()) == pytest.approx(1.0, rel=1e-12)


def test_many_rows_are_taken_in_pieces(rng, monkeypatch):
    H = torch.from_numpy(rng.standard_normal((50, 4)))
    whole = summed(H).result()
    monkeypatch.setattr(module, "_ROWS", 7)
    pieces = summed(H).result()
    assert (pieces.count, pieces.zero_rows) == (50, 0)
    torch.testing.assert_close(pieces.second_moment, whole.second_moment, rtol=1e-14, atol=1e-15)


def test_half_precision_rows_are_summed_in_double(rng):
    H = torch.from_numpy(rng.standard_normal((50, 4))).half()
    torch.testing.assert_close(
        summed(H).result().second_moment, summed(H.double()).result().second_moment
    )


def test_memory_is_that_of_the_sum():
    assert unit_row_bytes(5) == torch.zeros(5, 5, dtype=torch.float64).nbytes
