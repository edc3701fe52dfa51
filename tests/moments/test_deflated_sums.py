"""Sums in single precision by deflation: how accurate, for which rows, of which sizes."""

import numpy as np
import pytest
import torch

from deepnrc.metrics.spectrum import noise_component
from deepnrc.moments.record import CHUNK_ROWS, Moments
from reference import spectrum
from twins import (
    accumulated,
    assert_agree,
    assert_same_moments,
    collapsed,
    few_rows,
    package_values,
    shifted,
    twin_values,
    view_of_moments,
)

SINGLE_WIDTHS = [256, 300]  # wide enough to be summed in single precision from the second chunk on


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


def test_stationary_rows_are_summed_in_single_precision_from_the_second_chunk_on(rng):
    """Else the guard would send chunks to float64 unseen: right values at twice the price."""
    H, Y = collapsed(rng, 8 * CHUNK_ROWS, 256, 1e-2, relu=True)
    moments = accumulated(H, Y, sizes=(1000,), dtype=torch.float32)
    share = float(moments.single_scatter.sum() / moments.feature_scatter.diagonal().sum())
    left = noise_component(view_of_moments(moments, k=16))
    # 7 of 8 chunks; the basis, learnt from the rows before, leaves a little more than the best.
    assert 0.875 * left <= share <= 1.2 * 0.875 * left


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
    assert_same_moments(moments, Moments.from_batch(H, Y), rtol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [2e38, 3.4e38])
def test_rows_whose_part_in_the_basis_overflows_float32(rng, size, sign):
    """Sums of 200 such numbers do; the rows themselves, and their squares in float64, do not."""
    H, Y = collapsed(rng, 3 * CHUNK_ROWS, 200, 1e-2)
    H[-5] = size * np.where(np.arange(200) % 2, sign, 1)
    exact = Moments.from_batch(torch.tensor(H), torch.tensor(Y))
    assert_same_moments(accumulated(H, Y, dtype=torch.float32), exact, rtol=1e-6)


def test_a_basis_that_has_become_stale_is_turned(rng):
    """Signal and noise of the first chunk lie elsewhere than the signal of the 63 after it.

    So much was noise at first that the second signal, all of it outside the basis, is no
    surprise: with the basis of the first chunk it would be summed in float32 whole, and the
    covariance be wrong by 1e-7. From the fifth chunk on the basis holds it.
    """
    N, d, t = 64 * CHUNK_ROWS, 150, 3
    Y = rng.standard_normal((N, t))
    first, later = (np.linalg.qr(rng.standard_normal((d, t)))[0] for _ in range(2))
    noise = rng.standard_normal((N, d), dtype=np.float32) / np.sqrt(d)
    H = Y @ later.T + 1e-3 * noise
    H[:CHUNK_ROWS] = Y[:CHUNK_ROWS] @ first.T + 3 * noise[:CHUNK_ROWS]
    H = H.astype(np.float32)
    moments = accumulated(H, Y, sizes=(CHUNK_ROWS,), dtype=torch.float32)
    single = float(moments.single_scatter.sum() / moments.feature_scatter.trace())
    assert 2.5 / 64 < single < 3.5 / 64  # chunks 2 to 4, a little more or less than their share
    # 2e-8, the rounding of three chunks in 64, against 1e-7 with a stale basis.
    exact = Moments.from_batch(torch.tensor(H), torch.tensor(Y))
    assert_same_moments(moments, exact, rtol=4e-8)
