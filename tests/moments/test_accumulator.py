"""Streaming sums: any batching, single precision by deflation, waking units, extreme sizes."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import FeatureRangeError, NonFiniteError
from deepnrc.metrics.spectrum import noise_component
from deepnrc.moments.accumulator import MomentAccumulator, full_precision, state_bytes
from deepnrc.moments.buffers import Workspaces
from deepnrc.moments.record import CHUNK_ROWS, Moments
from reference import spectrum
from twins import (
    accumulated,
    assert_agree,
    cut,
    few_rows,
    package_values,
    shifted,
    twin_values,
    view_of_moments,
)

SINGLE_WIDTHS = [256, 300]  # wide enough to be summed in single precision from the second chunk on


def collapsed(rng, N, d, noise, *, mean=0.0, t=3, relu=False):
    """Float32 features whose NRC1 is about `noise`, and targets that lie in their signal."""
    signal = rng.standard_normal((N, t)) * [2, 1, 0.5][:t]
    H = signal @ np.linalg.qr(rng.standard_normal((d, t)))[0].T
    H = H + np.sqrt(noise * 5.25 / d) * rng.standard_normal((N, d)) + mean
    H = np.maximum(H, 0) if relu else H
    return H.astype(np.float32), signal + 0.1 * rng.standard_normal((N, t))


def assert_same(found, expected, *, rtol):
    """Moments agree; off-diagonals relative to the two spreads."""
    assert found.count == expected.count
    s = torch.cat([m.diagonal() for m in (expected.feature_covariance, expected.target_covariance)])
    s = s.sqrt()
    both = [
        torch.cat(
            [
                torch.cat([m.feature_covariance, m.cross_covariance], 1),
                torch.cat([m.cross_covariance.T, m.target_covariance], 1),
            ]
        )
        for m in (found, expected)
    ]
    scale = torch.outer(s, s)
    assert bool(((both[0] - both[1]).abs() <= rtol * scale).all())
    shift = (found.feature_mean - expected.feature_mean).abs()
    size = expected.feature_mean.abs() + s[: len(shift)]
    assert bool((shift <= rtol * size).all())


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
    assert_same(accumulated(H, Y, sizes=sizes), expected, rtol=1e-12)
    assert_same(accumulated(H[order], Y[order], sizes=sizes), expected, rtol=1e-12)


def test_float32_moments_depend_on_the_batches_by_rounding_only(rng):
    H, Y = collapsed(rng, 4 * CHUNK_ROWS + 7, 140, 1e-4, mean=10)
    exact = Moments.from_batch(torch.tensor(H), torch.tensor(Y))
    for sizes in ((1000,), (1, 7, 900), (5000,), (CHUNK_ROWS,)):
        found = accumulated(H, Y, sizes=sizes, dtype=torch.float32)
        assert found.single_scatter.any()
        assert_same(found, exact, rtol=1e-7)


def test_few_rows_stand_for_all_of_them(rng):
    """The twins below take 2(d + t) rows in place of thousands."""
    H, Y = rng.standard_normal((90, 6)) + 5, rng.standard_normal((90, 2))
    W = rng.standard_normal((4, 6))
    assert len(few_rows(H, Y)[0]) == 16
    assert_agree(twin_values(*few_rows(H, Y), W, 2), twin_values(H, Y, W, 2), rtol=1e-12)


@pytest.mark.parametrize("mean", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("noise", [1e-3, 1e-9])
@pytest.mark.parametrize("width", [64, *SINGLE_WIDTHS])
def test_nrc1_is_right_to_a_percent_down_to_1e_9(rng, width, noise, mean):
    """Float32 features, summed by deflation where wide; a float32 Gram matrix would read 1e-7.

    With a mean of 1000 the float32 features themselves hold a noise of 1e-8: the truth is theirs.
    """
    H, Y = collapsed(rng, 8192, width, noise, mean=mean)
    truth = spectrum.noise_component(few_rows(H, Y)[0], 3)
    moments = accumulated(H, Y, dtype=torch.float32)
    assert bool(moments.single_scatter.any()) == (width in SINGLE_WIDTHS)
    assert noise_component(view_of_moments(moments)) == pytest.approx(truth, rel=1e-2)
    double = accumulated(H, Y, dtype=torch.float32, precision="double")
    assert not double.single_scatter.any()
    # eps·λ_1 against 1e-9 of it
    assert noise_component(view_of_moments(double)) == pytest.approx(truth, rel=1e-5)


@pytest.mark.parametrize("width", SINGLE_WIDTHS)
@pytest.mark.parametrize("noise", [0.9, 1e-2])
@pytest.mark.parametrize("relu", [True, False])
def test_single_precision_costs_no_metric_more_than_1e_6(rng, width, noise, relu):
    H, Y = collapsed(rng, 8 * CHUNK_ROWS, width, noise, mean=0.3, relu=relu)
    W = rng.standard_normal((20, width))
    moments = accumulated(H, Y, dtype=torch.float32)
    assert moments.single_scatter.any()
    expected = twin_values(*few_rows(H, Y), W, 3)
    assert_agree(package_values(view_of_moments(moments, W)), expected, rtol=1e-6)


def test_a_late_chunk_may_bring_a_new_large_direction(rng):
    H, Y = collapsed(rng, 8192, 256, 1e-6)
    H[7000:] += 50 * rng.standard_normal((1192, 1)) * rng.standard_normal(256) / 16
    H = H.astype(np.float32)
    truth = spectrum.noise_component(few_rows(H, Y)[0], 4)
    view = view_of_moments(accumulated(H, Y, dtype=torch.float32), k=4)
    assert truth < 1e-7
    assert noise_component(view) == pytest.approx(truth, rel=1e-2)


def test_rows_deflated_in_vain_are_known_to_be_rounded(rng):
    """The second chunk is summed in double precision, but of rows less what the basis holds."""
    H, Y = shifted(rng, CHUNK_ROWS, noise=1e-6, N=2 * CHUNK_ROWS)
    moments = accumulated(H, Y, dtype=torch.float32)
    share = float(moments.single_scatter.sum() / moments.feature_scatter.trace())
    assert 0 < share < 1e-12


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
        assert_same(found, exact, rtol=1e-12 if dtype == torch.float64 else 1e-6)
        assert not found.feature_scatter[12].any()  # still dead: exactly 0


@pytest.mark.parametrize("size", [1e-38, 1e-20, 1e20, 1e37])
@pytest.mark.parametrize("width", [64, 256])
def test_tiny_and_huge_float32_features(rng, size, width):
    """Squares of 1e20 overflow float32, those of 1e-38 vanish in it."""
    H, Y = collapsed(rng, 3 * CHUNK_ROWS, width, 1e-2)
    H = (H.astype(np.float64) * size).astype(np.float32)
    W = rng.standard_normal((5, width))
    truth = twin_values(*few_rows(H.astype(np.float64) / size, Y), W, 3)
    moments = accumulated(H, Y, dtype=torch.float32)
    assert_agree(package_values(view_of_moments(moments, W)), truth, rtol=1e-6)


@pytest.mark.parametrize("outlier", [1e12, 1e30, 1e37])
def test_one_huge_row_after_many_small_ones(generator, outlier):
    H = torch.randn(3 * CHUNK_ROWS, 200, generator=generator)
    H[-5] = outlier
    Y = torch.randn(3 * CHUNK_ROWS, 2, generator=generator, dtype=torch.float64)
    moments = accumulated(H, Y, dtype=torch.float32)
    assert_same(moments, Moments.from_batch(H, Y), rtol=1e-6)


def test_the_callers_precision_settings_do_not_spoil_the_sums(rng):
    H, Y = collapsed(rng, 4096, 256, 1e-9)
    plain = accumulated(H, Y, dtype=torch.float32)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            shortcut = accumulated(H, Y, dtype=torch.float32)
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(shortcut.feature_scatter, plain.feature_scatter)
    assert torch.equal(shortcut.cross_scatter, plain.cross_scatter)


def test_precision_settings_come_back_after_an_error():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(KeyError, match="highest"), full_precision(torch.device("cpu")):
            _ = {"medium": 0}[torch.get_float32_matmul_precision()]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


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
    assert_same(accumulator.result(), expected, rtol=1e-13)


def test_a_result_on_the_way_changes_nothing(rng):
    H, Y = collapsed(rng, 3000, 150, 1e-3)
    H, Y = torch.tensor(H), torch.tensor(Y)
    accumulator = MomentAccumulator(150, 3, dtype=torch.float32)
    for rows in cut(3000, (400,)):
        accumulator.add(H[rows], Y[rows])
        assert accumulator.rows == min(rows.stop, 3000)
        assert accumulator.result().count == accumulator.rows == min(rows.stop, 3000)
    assert_same(accumulator.result(), Moments.from_batch(H, Y), rtol=1e-7)


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
    assert_same(accumulated(H, Y, dtype=dtype), Moments.from_batch(H, Y), rtol=2.5e-7)


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


def test_stationary_rows_are_summed_in_single_precision_from_the_second_chunk_on(rng):
    """Else the guard would send chunks to float64 unseen: right values at twice the price."""
    H, Y = collapsed(rng, 8 * CHUNK_ROWS, 256, 1e-2, relu=True)
    moments = accumulated(H, Y, sizes=(1000,), dtype=torch.float32)
    share = float(moments.single_scatter.sum() / moments.feature_scatter.diagonal().sum())
    left = noise_component(view_of_moments(moments, k=16))
    # 7 of 8 chunks; the basis, learnt from the rows before, leaves a little more than the best.
    assert 0.875 * left <= share <= 1.2 * 0.875 * left


@pytest.mark.parametrize("sizes", [(CHUNK_ROWS,), (700,), (2 * CHUNK_ROWS, 300)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_that_share_a_workspace_keep_their_sums_apart(rng, sizes, dtype):
    """Of one width but with other dead units, so that their columns lie elsewhere in it."""
    N, width, shared = 3 * CHUNK_ROWS + 5, 200, Workspaces()
    Y = torch.tensor(rng.standard_normal((N, 3)))
    layers = []
    for dead in (0, 40, 60):
        H = torch.tensor(collapsed(rng, N, width, 1e-3)[0], dtype=dtype)
        H[:, rng.permutation(width)[:dead]] = 0
        layers.append((H, MomentAccumulator(width, 3, dtype=dtype, workspaces=shared)))
    for rows in cut(N, sizes):
        for H, accumulator in layers:
            accumulator.add(H[rows], Y[rows])
    for H, accumulator in layers:
        found, alone = accumulator.result(), accumulated(H, Y, sizes=sizes, dtype=dtype)
        assert_same(found, alone, rtol=1e-14)  # the same sums in the same order
        rtol = 1e-7 if dtype == torch.float32 else 1e-12
        assert_same(found, Moments.from_batch(H, Y), rtol=rtol)
