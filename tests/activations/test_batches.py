import numpy as np
import pytest
import torch

from deepnrc.activations.batches import target_rows
from deepnrc.errors import DataError, NonFiniteError


def test_read_only_and_reversed_arrays_are_taken_without_warning():
    array = np.arange(6.0)
    array.flags.writeable = False
    assert target_rows(array[::-1], 0)[:, 0].tolist() == array[::-1].tolist()


@pytest.mark.parametrize(
    "targets",
    [
        torch.tensor([1, 2, 3]),
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16),
        torch.tensor([1, 2, 3], dtype=torch.uint8),
        torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True),
        np.array([1, 2, 3]),
        np.array([1.0, 2.0, 3.0], dtype=np.float32),
        [1, 2, 3],
        (1.0, 2.0, 3.0),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}",
)
def test_one_target_a_sample_is_a_column(targets):
    rows = target_rows(targets, 0)
    assert rows.dtype == torch.float64
    assert not rows.requires_grad
    assert rows.tolist() == [[1.0], [2.0], [3.0]]


def test_booleans_are_numbers():
    assert target_rows(torch.tensor([True, False]), 0).tolist() == [[1.0], [0.0]]


def test_positions_are_samples_only_when_asked():
    targets = torch.arange(24.0).reshape(2, 3, 4)
    rows = target_rows(targets, 0, per_position=True)
    assert torch.equal(rows, targets.reshape(6, 4).double())
    with pytest.raises(
        DataError,
        match=r"targets of batch 5 must have shape \(samples,\) or \(samples, t\); got \(2, 3, 4\)"
        r": flatten further axes with unpack=, or .* with reduce='samples'",
    ):
        target_rows(targets, 5)


@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_targets_without_a_number_are_refused(shape):
    with pytest.raises(DataError, match=r"targets of batch 1 must have shape .*; got \("):
        target_rows(torch.zeros(shape), 1)


@pytest.mark.parametrize("targets", [torch.zeros(3, dtype=torch.complex64), np.zeros(3) + 1j])
def test_complex_targets_are_refused(targets):
    with pytest.raises(
        DataError,
        match=r"targets of batch 2 must be real; got complex numbers: split",
    ):
        target_rows(targets, 2)


@pytest.mark.parametrize("targets", [{"y": 1}, None, "abc", [[1.0], [2.0, 3.0]]])
def test_targets_that_are_no_numbers_are_refused(targets):
    kind = type(targets).__name__
    message = f"targets of batch 4 must be a tensor; got a {kind}: pass unpack= to pick them"
    with pytest.raises(DataError, match=message):
        target_rows(targets, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_targets_name_batch_and_sample(value):
    targets = torch.zeros(5, 2)
    targets[3, 1] = value
    message = r"targets of batch 7 hold NaN or infinity \(first in its sample 3\): clean or drop"
    with pytest.raises(NonFiniteError, match=message):
        target_rows(targets, 7)


def test_targets_too_large_to_square_are_refused():
    with pytest.raises(DataError, match=r"targets of batch 0 reach 1e\+200: their squares overflo"):
        target_rows(torch.tensor([1.0, -1e200], dtype=torch.float64), 0)
