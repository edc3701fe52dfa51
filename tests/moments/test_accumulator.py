"""Streaming sums: any batching, waking units, what is refused, memory."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import FeatureRangeError, NonFiniteError
from deepnrc.moments.accumulator import MomentAccumulator, state_bytes
from deepnrc.moments.record import CHUNK_ROWS, Moments
from twins import accumulated, assert_same_moments, collapsed, cut


@given(st.data())
def test_float64_moments_do_not_depend_on_the_batches(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    N, d, t = data.draw(st.integers(1, 3 * CHUNK_ROWS)), data.draw(st.integers(1, 5)), 2
    mean = data.draw(st.sampled_from([0.0, 30.0, 1e6]))
    H = torch.tensor(rng.standard_normal((N, d)) + mean * rng.standard_normal(d))
    Y = torch.tensor(rng.standard_normal((N, t)) - mean)
    if data.draw(st.booleans()):
        H = H * (torch.arange(N) >= N // 2)[:, None]  # units that wake
    sizes = data.draw(st.lists(st.integers(1, 2 * CHUNK_ROWS), min_size=1, max_size=5))
    order = torch.tensor(rng.permutation(N))
    expected = Moments.from_batch(H, Y)
    # 1e-14 from sums of thousands; a mean of 1e6 deviations is subtracted exactly.
    assert_same_moments(accumulated(H, Y, sizes=sizes), expected, rtol=1e-12)
    assert_same_moments(accumulated(H[order], Y[order], sizes=sizes), expected, rtol=1e-12)


def test_float32_moments_depend_on_the_batches_by_rounding_only(rng):
    H, Y = collapsed(rng, 4 * CHUNK_ROWS + 7, 140, 1e-4, mean=10)
    exact = Moments.from_batch(torch.tensor(H), torch.tensor(Y))
    for sizes in ((1000,), (1, 7, 900), (5000,), (CHUNK_ROWS,)):
        found = accumulated(H, Y, sizes=sizes, dtype=torch.float32)
        assert found.single_scatter.any()
        assert_same_moments(found, exact, rtol=1e-7)


@pytest.mark.parametrize("rows", [10, CHUNK_ROWS + 10, 3 * CHUNK_ROWS])
def test_squares_that_overflow_float64_are_refused(rows):
    H = torch.ones(rows, 3, dtype=torch.float64)
    H[-1, 1] = -2e155
    with pytest.raises(
        FeatureRangeError,
        match=r"features reach 2e\+155: their squares overflow float64; rescale the inputs",
    ):
        accumulated(H, H[:, :1] * 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("row", [0, 5, CHUNK_ROWS, 3 * CHUNK_ROWS - 1])
@pytest.mark.parametrize(("width", "dtype"), [(3, torch.float64), (200, torch.float32)])
def test_the_first_row_that_is_not_finite_is_named(rng, bad, row, width, dtype):
    H = rng.standard_normal((3 * CHUNK_ROWS, width))
    H[:, 1] = 0.0  # a dead unit may be the one
    H[row, 1] = bad
    with pytest.raises(NonFiniteError, match="features hold NaN or infinity") as error:
        accumulated(H, H[:, :1] * 0, sizes=(300,), dtype=dtype)
    assert error.value.row == row


def test_nothing_of_the_arguments_is_kept_or_changed(rng):
    H, Y = torch.tensor(rng.standard_normal((50, 3))), torch.tensor(rng.standard_normal((50, 1)))
    expected = Moments.from_batch(H, Y)
    accumulator = MomentAccumulator(3, 1)
    buffer, targets = H.clone(), Y.clone()
    accumulator.add(buffer, targets)
    assert torch.equal(buffer, H)
    buffer.zero_()
    targets.zero_()
    assert_same_moments(accumulator.result(), expected, rtol=1e-13)


def test_a_result_on_the_way_changes_nothing(rng):
    H, Y = collapsed(rng, 3000, 150, 1e-3)
    H, Y = torch.tensor(H), torch.tensor(Y)
    accumulator = MomentAccumulator(150, 3, dtype=torch.float32)
    for rows in cut(3000, (400,)):
        accumulator.add(H[rows], Y[rows])
        assert accumulator.rows == min(rows.stop, 3000)
        assert accumulator.result().count == accumulator.rows == min(rows.stop, 3000)
    assert_same_moments(accumulator.result(), Moments.from_batch(H, Y), rtol=1e-7)


def test_no_rows_give_empty_moments():
    accumulator = MomentAccumulator(4, 2)
    accumulator.add(torch.empty(0, 4), torch.empty(0, 2, dtype=torch.float64))
    assert accumulator.rows == 0
    empty = accumulator.result()
    assert (empty.count, empty.feature_dim, empty.target_dim) == (0, 4, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_summed_as_what_they_are(rng, dtype):
    H = torch.tensor(rng.standard_normal((3000, 160))).to(dtype)
    Y = torch.tensor(rng.standard_normal((3000, 2)))
    # Few bits repeat: roundings of a float32 sum do not average out, to about two of its eps.
    assert_same_moments(accumulated(H, Y, dtype=dtype), Moments.from_batch(H, Y), rtol=2.5e-7)


def held_bytes(accumulator):
    """Bytes of all storage that the accumulator can reach, each counted once."""
    storages, seen = {}, set()

    def walk(value):
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)
        elif dataclasses.is_dataclass(value) or type(value).__module__.startswith("deepnrc"):
            for item in vars(value).values():
                walk(item)

    walk(accumulator)
    return sum(storages.values())


@pytest.mark.parametrize("width", [20, 200, 400])
def test_memory_does_not_grow_with_the_samples_and_is_as_announced(generator, width):
    accumulator, sizes = MomentAccumulator(width, 3, dtype=torch.float32), []
    for _ in range(12):
        H = torch.randn(CHUNK_ROWS, width, generator=generator)
        accumulator.add(H, H[:, :3].double())
        sizes.append(held_bytes(accumulator))
    assert sizes[3] == sizes[-1]
    assert 0 < max(sizes) <= state_bytes([width], 3)
