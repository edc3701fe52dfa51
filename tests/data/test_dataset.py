import dataclasses
import json

import pytest
import torch

from deepnrc import __version__
from deepnrc.data import RawData, Truth
from deepnrc.data.access.images import ImageSelection
from deepnrc.data.dataset import first_rows, split_data
from deepnrc.data.splits import split_rows
from deepnrc.errors import ArgumentError, DeepNRCWarning, NonFiniteError


class Images:
    shape = (30, 1, 2, 2)

    def __len__(self):
        return 30

    def __getitem__(self, rows):
        return rows.float()[:, None, None, None].expand(-1, 1, 2, 2)


@pytest.fixture
def raw(generator):
    facts = {"data": "x", "made_from": "numbers drawn"}
    inputs = torch.randn(30, 3, generator=generator, dtype=torch.float64) * 5 + 2
    targets = torch.rand(30, 2, generator=generator, dtype=torch.float64) * 7 - 3
    return RawData(inputs, targets, ("a", "b", "c"), ("y", "z"), facts, Truth(1, 0.5))


def test_rows_stay_together_and_are_those_of_the_split(raw):
    raw = dataclasses.replace(raw, targets=raw.inputs[:, :2] * 2)
    data = split_data(
        raw, split_seed=9, test_fraction=0.3, scale_inputs=False, target_scaling="none"
    )
    train, test = split_rows(30, test_fraction=0.3, split_seed=9)
    for part, rows in ((data.train, train), (data.test, test)):
        assert torch.equal(part.inputs, raw.inputs[rows].float())
        assert torch.equal(part.targets, raw.targets[rows].float())


def test_the_train_part_alone_fits_the_scalers_and_both_parts_are_scaled(raw):
    plain = split_data(raw, scale_inputs=False, target_scaling="none")
    data = split_data(raw)
    train = plain.train.inputs.double()
    # The plain values are rounded to float32, 6e-8 relative; here they reach 20.
    torch.testing.assert_close(data.input_scaler.mean, train.mean(dim=0), rtol=0, atol=2e-6)
    deviation = train.std(dim=0, correction=0)
    torch.testing.assert_close(data.input_scaler.scale, deviation, rtol=0, atol=2e-6)
    expected = data.input_scaler.apply(plain.test.inputs)
    torch.testing.assert_close(data.test.inputs, expected)
    expected = data.target_scaler.apply(plain.test.targets)
    torch.testing.assert_close(data.test.targets, expected)


def test_float64_is_scaled_before_it_is_rounded(raw):
    small = torch.arange(10, dtype=torch.float64)[:, None]
    # float32 has steps of 131072 there.
    data = split_data(dataclasses.replace(raw, inputs=small + 2.0**40, targets=small))
    assert data.train.inputs.dtype == torch.float32
    torch.testing.assert_close(data.train.inputs, data.train.targets)


def test_a_target_that_is_constant_on_the_train_part_only(raw):
    raw.targets[:, 1] = 4.0
    raw.targets[split_rows(30, test_fraction=0.2, split_seed=42)[1], 1] = 9.0
    with pytest.warns(DeepNRCWarning, match=r"targets: constant .* column\(s\) 1, counted"):
        data = split_data(raw)
    assert data.test.targets[:, 1].eq(5).all()


def test_minmax_brings_the_train_targets_to_0_and_1_and_inverts(raw):
    data = split_data(raw, target_scaling="minmax")
    assert data.train.targets.amin(dim=0).tolist() == [0, 0]
    assert data.train.targets.amax(dim=0).tolist() == [1, 1]
    # Inputs keep mean 0 and deviation 1; 24 float32 values: 6e-8 relative each.
    torch.testing.assert_close(data.train.inputs.mean(dim=0), torch.zeros(3), atol=3e-7, rtol=0)
    plain = split_data(raw, target_scaling="none", scale_inputs=False)
    torch.testing.assert_close(data.target_scaler.invert(data.test.targets), plain.test.targets)
    assert plain.input_scaler.scale.tolist() == [1, 1, 1]
    assert plain.provenance["scaling"] == {"inputs": "none", "targets": "none"}


def test_minmax_looks_at_the_train_part_only(raw):
    train_rows = split_data(raw, target_scaling="none", scale_inputs=False).train.targets
    scaler = split_data(raw, target_scaling="minmax").target_scaler
    low, high = train_rows.double().aminmax(dim=0)
    torch.testing.assert_close(scaler.mean, low, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scaler.scale, high - low, rtol=1e-6, atol=1e-6)


def test_minmax_of_a_constant_target(raw):
    raw.targets[:, 1] = 4.0
    with pytest.warns(DeepNRCWarning, match=r"targets: constant .*1, counted .* of the range"):
        data = split_data(raw, target_scaling="minmax")
    assert data.target_scaler.scale[1] == 1
    assert data.test.targets[:, 1].eq(0).all()


def test_provenance_has_all_and_json_can_hold_it(raw):
    data = split_data(raw, split_seed=7)
    assert data.provenance == {
        "data": "x",
        "made_from": "numbers drawn",
        "split": {"seed": 7, "test_fraction": 0.2, "train_rows": 24, "test_rows": 6},
        "scaling": {"inputs": "standard", "targets": "standard"},
        "deepnrc": __version__,
    }
    json.dumps(data.provenance, allow_nan=False)
    assert data.truth == Truth(1, 0.5)
    assert (data.input_names, data.target_names) == (("a", "b", "c"), ("y", "z"))


def test_images_stay_on_disk_and_are_not_scaled(raw):
    targets = torch.arange(30.0)[:, None]
    data = split_data(dataclasses.replace(raw, inputs=Images(), targets=targets))
    assert data.input_scaler is None
    assert isinstance(data.train.inputs, ImageSelection)
    assert data.train.inputs.shape == (24, 1, 2, 2)
    assert data.provenance["scaling"] == {"inputs": "none", "targets": "standard"}
    for part in (data.train, data.test):
        images = part.inputs[torch.arange(len(part.targets))]
        back = data.target_scaler.invert(part.targets)
        torch.testing.assert_close(images[:, 0, 0, :1], back, rtol=0, atol=1e-5)


def test_what_does_not_fit_is_refused(raw):
    def changed(**fields):
        return dataclasses.replace(raw, **fields)

    with pytest.raises(ArgumentError, match=r"same number of rows; got 29 and 30: pass one"):
        split_data(changed(inputs=raw.inputs[1:]))
    with pytest.raises(ArgumentError, match=r"same number of rows; got 30 and 29: pass one"):
        split_data(changed(inputs=Images(), targets=raw.targets[1:]))
    with pytest.raises(
        ArgumentError, match=r"targets must be .* got shape \(30,\) of torch.float64: res"
    ):
        split_data(changed(targets=raw.targets[:, 0]))
    with pytest.raises(ArgumentError, match=r"inputs must be a floating-.* of torch.int64: resha"):
        split_data(changed(inputs=raw.inputs.long()))
    for field in ("inputs", "targets"):
        spoiled = getattr(raw, field).clone()
        spoiled[4, 1] = torch.nan
        with pytest.raises(
            NonFiniteError, match=rf"{field} must be finite; .* column\(s\) 1, counted"
        ):
            split_data(changed(**{field: spoiled}))


def test_first_rows(raw):
    some = first_rows(raw, 7)
    assert torch.equal(some.inputs, raw.inputs[:7])
    assert torch.equal(some.targets, raw.targets[:7])
    assert some.provenance["made_from"] == "numbers drawn; its first 7 of 30 rows"
    assert some.provenance["rows_of"] == 30
    assert first_rows(raw, 30) is raw
    images = first_rows(dataclasses.replace(raw, inputs=Images()), 7)
    assert images.inputs.shape == (7, 1, 2, 2)
    assert images.inputs[torch.tensor([6])].unique().tolist() == [6]


@pytest.mark.parametrize(("samples", "message"), [(31, "1 to 30, .* got 31"),
                                                  (0, "1 to 30, .* got 0")])  # fmt: skip
def test_first_rows_that_are_not_there(raw, samples, message):
    with pytest.raises(ArgumentError, match=f"samples must be from {message}"):
        first_rows(raw, samples)
