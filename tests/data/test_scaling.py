import dataclasses

import pytest
import torch

from deepnrc.data.scaling import Scaler, fit_scaler
from deepnrc.errors import ArgumentError, DeepNRCWarning


@pytest.fixture
def values(generator):
    spread = torch.tensor([1.0, 100.0, 0.01])
    return torch.randn(50, 3, generator=generator) * spread + torch.tensor([0.0, -5.0, 30.0])


def test_standard_scaling_gives_mean_0_and_deviation_1(values):
    scaled = fit_scaler("inputs", values, "standard").apply(values)
    assert scaled.dtype == torch.float32
    zero = torch.zeros(3, dtype=torch.float64)
    # The scaled values are rounded to float32: 6e-8 relative, at values of about 3.
    torch.testing.assert_close(scaled.double().mean(dim=0), zero, rtol=0, atol=3e-7)
    deviation = scaled.double().std(dim=0, correction=0)  # divisor N, not N - 1
    torch.testing.assert_close(deviation, zero + 1, rtol=0, atol=3e-7)


def test_statistics_are_computed_in_float64():
    # Exact in float32: 2**23 plus -1, 0 or 1. Squares and sums of such numbers are not.
    small = torch.tensor([[-1.0], [0.0], [1.0]]).repeat(100, 1)
    shifted = fit_scaler("inputs", small + 2**23, "standard")
    assert shifted.mean.dtype == torch.float64
    plain = fit_scaler("inputs", small, "standard")
    torch.testing.assert_close(shifted.apply(small + 2**23), plain.apply(small))


def test_minmax_gives_0_to_1(values):
    scaler = fit_scaler("targets", values, "minmax")
    low, high = values.double().aminmax(dim=0)
    assert torch.equal(scaler.mean, low)
    assert torch.equal(scaler.scale, high - low)
    scaled = scaler.apply(values)
    assert scaled.amin(dim=0).tolist() == [0, 0, 0]
    assert scaled.amax(dim=0).tolist() == [1, 1, 1]


def test_none_changes_nothing(values):
    scaler = fit_scaler("inputs", values, "none")
    assert torch.equal(scaler.apply(values), values)
    assert (scaler.mean.tolist(), scaler.scale.tolist()) == ([0, 0, 0], [1, 1, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_invert_gives_the_values_back_in_their_type(values, dtype):
    scaler = fit_scaler("inputs", values, "standard")
    scaled = scaler.apply(values.to(dtype))
    back = scaler.invert(scaled)
    assert scaled.dtype == back.dtype == dtype
    torch.testing.assert_close(back, values.to(dtype))


def test_constant_columns_are_named_and_keep_scale_1(values):
    # In float64 the computed mean of fifty times 0.1 is not 0.1.
    values = values.double()
    values[:, 0], values[:, 2] = 0.1, -7.3
    with pytest.warns(DeepNRCWarning, match=r"inputs: constant .* column\(s\) 0, 2, counted"):
        scaler = fit_scaler("inputs", values, "standard")
    assert scaler.scale[[0, 2]].tolist() == [1, 1]
    assert scaler.apply(values)[:, [0, 2]].eq(0).all()
    with pytest.warns(DeepNRCWarning, match=r"targets: constant .* instead of the range\. Leave"):
        scaler = fit_scaler("targets", values, "minmax")
    assert scaler.scale[[0, 2]].tolist() == [1, 1]
    fit_scaler("inputs", values, "none")  # no warning


@pytest.mark.parametrize("method", ["apply", "invert"])
def test_a_matrix_with_other_columns_is_refused(method):
    scaler = Scaler(mean=torch.zeros(3), scale=torch.ones(3))
    with pytest.raises(ArgumentError, match=r"values must have 3 columns .*; got 1: pass"):
        getattr(scaler, method)(torch.zeros(5, 1))


def test_scalers_are_frozen():
    scaler = Scaler(mean=torch.zeros(3), scale=torch.ones(3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        scaler.mean = scaler.scale
