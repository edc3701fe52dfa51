import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from deepnrc.data import RawData, from_dataset
from deepnrc.data.access.images import ImageSelection
from deepnrc.data.dataset import split_data
from deepnrc.errors import ArgumentError, DataError, NonFiniteError


class Listed(Dataset):
    """Map-style, over a list."""

    def __init__(self, samples):
        self.samples = samples
        self.asked = []

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, row):
        self.asked.append(row)
        return self.samples[row]


class Endless(Dataset):
    def __getitem__(self, row):
        return 1.0, 1.0


class Stream(IterableDataset):
    def __init__(self, samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)


@pytest.fixture
def inputs(generator):
    return torch.randn(20, 3, generator=generator)


@pytest.fixture
def targets(generator):
    return torch.rand(20, 2, generator=generator)


def split(inputs, targets, **options):
    return split_data(RawData(inputs, targets, (), (), {}), **options)


def test_same_parts_as_from_the_tensors(inputs, targets):
    expected = split(inputs, targets, split_seed=3, test_fraction=0.5)
    pairs = list(zip(inputs, targets, strict=True))
    for dataset in (TensorDataset(inputs, targets), Listed(pairs), Stream(pairs)):
        data = from_dataset(dataset, split_seed=3, test_fraction=0.5)
        assert torch.equal(data.train.inputs, expected.train.inputs)
        assert torch.equal(data.test.targets, expected.test.targets)
        kind = type(dataset).__name__
        assert data.provenance["made_from"] == f"the PyTorch data set {kind}, 20 samples"
        assert (data.input_names, data.target_names) == (("x0", "x1", "x2"), ("y0", "y1"))


def test_names_and_no_scaling(inputs, targets):
    data = from_dataset(
        TensorDataset(inputs, targets),
        input_names=["a", "b", "c"],
        target_names=["u", "v"],
        standardize=False,
        name="mine",
    )
    assert (data.input_names, data.target_names) == (("a", "b", "c"), ("u", "v"))
    together = torch.cat([data.train.inputs, data.test.inputs])
    assert torch.equal(together.sort(dim=0).values, inputs.sort(dim=0).values)
    assert data.provenance["data"] == "mine"


def test_numbers_and_arrays_as_samples():
    data = from_dataset(Listed([(i, np.array([i, 2 * i])) for i in range(10)]), standardize=False)
    assert data.train.inputs.shape == (8, 1)
    assert data.train.inputs.dtype == torch.float32
    assert torch.equal(data.train.targets, data.train.inputs * torch.tensor([1.0, 2.0]))


def test_unpack(inputs, targets):
    samples = [{"state": x, "action": y} for x, y in zip(inputs, targets, strict=True)]
    data = from_dataset(Listed(samples), unpack=lambda s: (s["state"], s["action"]))
    assert torch.equal(data.train.inputs, split(inputs, targets).train.inputs)


def test_images_are_asked_for_when_needed():
    dataset = Listed([(torch.full((1, 2, 3), float(i)), float(i)) for i in range(10)])
    data = from_dataset(dataset, standardize=False)
    assert dataset.asked == list(range(10))
    assert isinstance(data.train.inputs, ImageSelection)
    assert data.train.inputs.shape == (8, 1, 2, 3)
    assert data.input_scaler is None
    dataset.asked.clear()
    batches = list(data.train.loader(3, shuffle=True))
    assert len(dataset.asked) == 8
    for images, values in batches:
        assert torch.equal(images[:, 0, 0, :1], values)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            [(torch.zeros(2), 1.0), (torch.zeros(3), 1.0)],
            r"shape \(2,\) .* shape \(3,\) and 1 .* 1: resize",
        ),
        (
            [(torch.zeros(2), [1.0]), (torch.zeros(2), [1.0, 2])],
            r"and 2 targets in sample 1: resize",
        ),
        ([torch.zeros(2)], r"samples \(inputs, targets\); got a Tensor: pass unpack"),
        ([(1, 2, 3)], r"samples \(inputs, targets\); got a tuple"),
        ([("word", 2.0)], "numbers as inputs; got a str: pass unpack"),
        ([(1.0, None)], "numbers as targets; got a NoneType: pass unpack"),
    ],
)
def test_samples_that_cannot_be_used(samples, message):
    with pytest.raises(DataError, match=rf"dataset must have .*{message}"):
        from_dataset(Listed(samples))


def test_data_sets_that_cannot_be_used(inputs, targets):
    with pytest.raises(ArgumentError, match="dataset must have samples; got none"):
        from_dataset(Listed([]))
    image = (torch.zeros(1, 2, 2), 0.0)
    with pytest.raises(ArgumentError, match=r"got inputs of shape \(1, 2, 2\) from a Stream: flat"):
        from_dataset(Stream([image, image]))
    with pytest.raises(ArgumentError, match=r"got inputs of shape \(4, 2\) from a Listed: flatten"):
        from_dataset(Listed([(torch.zeros(4, 2), 0.0)]))
    with pytest.raises(ArgumentError, match="must have 3 and 2 names; got 1 and 2"):
        from_dataset(TensorDataset(inputs, targets), input_names=["a"])
    with pytest.raises(ArgumentError, match="must have 3 and 2 names; got 3 and 1"):
        from_dataset(TensorDataset(inputs, targets), target_names=["a"])
    with pytest.raises(
        ArgumentError, match=r"have len\(\) or be an IterableDataset; got a Endless"
    ):
        from_dataset(Endless())
    inputs[3, 1] = torch.nan
    with pytest.raises(NonFiniteError, match=r"inputs must be finite; .* column\(s\) 1"):
        from_dataset(TensorDataset(inputs, targets))
