import dataclasses

import pytest
import torch

from deepnrc.data.splits import Scaler, split_and_standardize
from deepnrc.errors import ArgumentError, DeepNRCWarning, NonFiniteError


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([1.0, 100.0, 0.01])
    return torch.randn(50, 3, generator=generator) * spread + torch.tensor([0.0, -5.0, 30.0])


@pytest.fixture
def targets():
    return torch.rand(50, 2, generator=torch.Generator().manual_seed(1))


def test_parts_are_a_partition_and_rows_stay_together():
    rows = torch.arange(50.0)[:, None]
    splits = split_and_standardize(rows, 2 * rows, standardize=False)
    assert splits.train.inputs.shape == (40, 1)
    assert splits.test.inputs.shape == (10, 1)
    for part in (splits.train, splits.test):
        assert torch.equal(part.targets, 2 * part.inputs)
    together = torch.cat([splits.train.inputs, splits.test.inputs])
    assert torch.equal(together.sort(dim=0).values, rows)
    assert not torch.equal(splits.test.inputs.sort(dim=0).values, rows[:10])  # drawn, not cut off


def test_seed_fixes_the_split(inputs, targets):
    first, again = (split_and_standardize(inputs, targets, split_seed=5) for _ in range(2))
    other = split_and_standardize(inputs, targets, split_seed=6)
    assert torch.equal(first.test.inputs, again.test.inputs)
    assert not torch.equal(first.test.targets, other.test.targets)


def test_global_generator_is_left_alone(inputs, targets):
    before = torch.get_rng_state()
    split_and_standardize(inputs, targets)
    assert torch.equal(torch.get_rng_state(), before)


def test_train_part_has_mean_0_and_deviation_1(inputs, targets):
    splits = split_and_standardize(inputs, targets)
    for values in (splits.train.inputs, splits.train.targets):
        assert values.dtype == torch.float32
        zero = torch.zeros(values.shape[1], dtype=torch.float64)
        # The scaled values are rounded to float32: 6e-8 relative, at values of about 3.
        torch.testing.assert_close(values.double().mean(dim=0), zero, rtol=0, atol=3e-7)
        deviation = values.double().std(dim=0, correction=0)  # divisor N, not N - 1
        torch.testing.assert_close(deviation, zero + 1, rtol=0, atol=3e-7)


def test_scalers_see_the_train_part_only(inputs, targets):
    plain = split_and_standardize(inputs, targets, standardize=False)
    splits = split_and_standardize(inputs, targets)
    train = plain.train.inputs.double()
    torch.testing.assert_close(splits.input_scaler.mean, train.mean(dim=0))
    torch.testing.assert_close(splits.input_scaler.scale, train.std(dim=0, correction=0))
    # The test part is scaled by the same numbers.
    expected = splits.input_scaler.apply(plain.test.inputs)
    assert torch.equal(splits.test.inputs, expected)
    assert torch.equal(splits.test.targets, splits.target_scaler.apply(plain.test.targets))


def test_statistics_are_computed_in_float64():
    # Exact in float32: 2**23 plus -1, 0 or 1. Squares and sums of such numbers are not.
    small = torch.tensor([[-1.0], [0.0], [1.0]]).repeat(100, 1)
    shifted = split_and_standardize(small + 2**23, small)
    assert shifted.input_scaler.mean.dtype == torch.float64
    torch.testing.assert_close(shifted.train.inputs, shifted.train.targets)
    torch.testing.assert_close(shifted.test.inputs, shifted.test.targets)


def test_float64_is_scaled_before_it_is_rounded():
    small = torch.arange(10, dtype=torch.float64)[:, None]
    splits = split_and_standardize(small + 2.0**40, small)  # float32 has steps of 131072 there
    assert splits.train.inputs.dtype == torch.float32
    torch.testing.assert_close(splits.train.inputs, splits.train.targets)


def test_scaler_inverts_and_keeps_the_type(inputs, targets):
    splits = split_and_standardize(inputs, targets)
    for dtype in (torch.float32, torch.float64):
        scaled = splits.input_scaler.apply(inputs.to(dtype))
        back = splits.input_scaler.invert(scaled)
        assert scaled.dtype == back.dtype == dtype
        torch.testing.assert_close(back, inputs.to(dtype))


def test_without_standardizing_values_keep_their_bits(inputs, targets):
    splits = split_and_standardize(inputs, targets, standardize=False)
    together = torch.cat([splits.train.inputs, splits.test.inputs])
    assert torch.equal(together.sort(dim=0).values, inputs.sort(dim=0).values)
    assert splits.input_scaler.mean.tolist() == [0, 0, 0]
    assert splits.target_scaler.scale.tolist() == [1, 1]


def test_constant_columns_are_named_and_keep_scale_1(inputs, targets):
    # In float64 the computed mean of forty times 0.1 is not 0.1.
    inputs = inputs.double()
    inputs[:, 0], inputs[:, 2] = 0.1, -7.3
    with pytest.warns(DeepNRCWarning, match=r"inputs: constant .* column\(s\) 0, 2, counted"):
        splits = split_and_standardize(inputs, targets)
    assert splits.input_scaler.scale[[0, 2]].tolist() == [1, 1]
    assert splits.train.inputs[:, [0, 2]].eq(0).all()
    assert splits.test.inputs[:, [0, 2]].eq(0).all()


def test_column_constant_on_the_train_part_only(inputs, targets):
    test_rows = split_and_standardize(torch.arange(50.0)[:, None], targets, standardize=False)
    targets[:, 1] = 4.0
    targets[test_rows.test.inputs[:, 0].long(), 1] = 9.0
    with pytest.warns(DeepNRCWarning, match=r"targets: constant .* column\(s\) 1, counted"):
        splits = split_and_standardize(inputs, targets)
    assert splits.test.targets[:, 1].eq(5).all()


def test_constant_columns_are_no_matter_without_standardizing(inputs, targets):
    split_and_standardize(torch.ones_like(inputs), targets, standardize=False)  # no warning


def test_records_are_frozen(inputs, targets):
    splits = split_and_standardize(inputs, targets)
    for record, field in (
        (splits, "train"),
        (splits.train, "inputs"),
        (splits.input_scaler, "mean"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, getattr(record, field))


@pytest.mark.parametrize("method", ["apply", "invert"])
def test_scaler_refuses_other_columns(method):
    scaler = Scaler(mean=torch.zeros(3), scale=torch.ones(3))
    with pytest.raises(ArgumentError, match=r"values: expected 3 columns .*, got 1; pass"):
        getattr(scaler, method)(torch.zeros(5, 1))


def test_bad_shapes_and_types(inputs, targets):
    with pytest.raises(
        ArgumentError, match=r"inputs: expected .* got shape \(50,\) of torch.float"
    ):
        split_and_standardize(inputs[:, 0], targets)
    with pytest.raises(
        ArgumentError, match=r"targets: expected .* of torch.int64; reshape or conv"
    ):
        split_and_standardize(inputs, targets.long())
    with pytest.raises(ArgumentError, match=r"inputs and targets: .* got 50 and 49; pass one"):
        split_and_standardize(inputs, targets[1:])


@pytest.mark.parametrize("test_fraction", [0.0, 1.0, -0.5, 0.001, 0.999, float("nan")])
def test_bad_test_fraction(inputs, targets, test_fraction):
    message = rf"test_fraction: .* both parts of 50, got {test_fraction}; choose"
    with pytest.raises(ArgumentError, match=message):
        split_and_standardize(inputs, targets, test_fraction=test_fraction)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows(rows):
    with pytest.raises(ArgumentError, match=rf"test_fraction: .* both parts of {rows}, got 0.5"):
        split_and_standardize(torch.ones(rows, 1), torch.ones(rows, 1), test_fraction=0.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(inputs, targets, value):
    targets[3, 1] = value
    with pytest.raises(NonFiniteError, match=r"targets: expected finite .* column\(s\) 1, counted"):
        split_and_standardize(inputs, targets)
