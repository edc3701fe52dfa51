"""Use any PyTorch data set: split, scaled, with named columns."""

from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from deepnrc.data.dataset import Dataset, split_data
from deepnrc.data.source import ImageRows, RawData, numbered_names
from deepnrc.errors import ArgumentError, DataError

__all__ = ["from_dataset"]

Unpack = Callable[[Any], tuple[Any, Any]]


def from_dataset(
    dataset: TorchDataset[Any],
    *,
    unpack: Unpack | None = None,
    input_names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    split_seed: int = 42,
    test_fraction: float = 0.2,
    standardize: bool = True,
    name: str = "",
) -> Dataset:
    """Split and scale any PyTorch ``Dataset`` of (inputs, targets).

    The data set is read once from beginning to end. Vectors are kept in memory. Of images
    (c × h × w) in a data set with ``len`` and indices only the targets are kept; the images are
    read again, row by row, when they are needed. So it must give the same image for a row each
    time: apply random augmentation elsewhere.

    Args:
        dataset: Its samples are (inputs, targets), each a number, array or tensor.
        unpack: Takes a sample of another form and returns (inputs, targets).
        input_names: One per column; x0, x1, … by default.
        target_names: One per column; y0, y1, … by default.
        split_seed: Seed of the permutation that draws the test part.
        test_fraction: Share of rows for the test part, in (0, 1).
        standardize: Whether columns of inputs (not images) and targets get mean 0 and deviation 1
            on the train part.
        name: Of the data set, for the provenance; by default the name of its type.

    Raises:
        ArgumentError: There are no samples, names do not fit, or images cannot be read again.
        DataError: A sample is not a pair of numbers, or shapes differ between samples.
        NonFiniteError: Inputs in memory or targets hold NaN or infinity.
    """
    rows, targets = _read(dataset, _pair if unpack is None else unpack)
    images = not isinstance(rows, Tensor)
    width = 1 if images else rows.shape[1]
    x_names = ("image",) if images else tuple(input_names or numbered_names("x", width))
    y_names = tuple(target_names or numbered_names("y", targets.shape[1]))
    if len(x_names) != width or len(y_names) != targets.shape[1]:
        raise ArgumentError(
            f"input_names and target_names must have {width} and {targets.shape[1]} names; got "
            f"{len(x_names)} and {len(y_names)}"
        )
    kind = name or type(dataset).__name__
    made_from = f"the PyTorch data set {kind}, {len(targets)} samples"
    return split_data(
        RawData(rows, targets, x_names, y_names, {"data": kind, "made_from": made_from}),
        split_seed=split_seed,
        test_fraction=test_fraction,
        scale_inputs=standardize,
        target_scaling="standard" if standardize else "none",
    )


def _read(dataset: TorchDataset[Any], unpack: Unpack) -> tuple[Tensor | ImageRows, Tensor]:
    """One pass: vectors as a matrix or images by row, and the matrix of targets."""
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    first: Tensor | None = None
    for row, sample in enumerate(_samples(dataset)):
        pair = unpack(sample)
        x, y = _tensor("inputs", pair[0]), _tensor("targets", pair[1]).reshape(-1)
        first = x if first is None else first
        if x.shape != first.shape or (targets and y.shape != targets[0].shape):
            raise DataError(
                f"dataset must have inputs of shape {tuple(first.shape)} and as many targets in "
                f"each sample; got shape {tuple(x.shape)} and {len(y)} targets in sample {row}: "
                "resize or pad them first"
            )
        targets.append(y)
        if x.ndim < 2:
            inputs.append(x.reshape(-1))
    if first is None:
        raise ArgumentError("dataset must have samples; got none")
    if first.ndim < 2:
        return torch.stack(inputs), torch.stack(targets)
    if first.ndim != 3 or isinstance(dataset, IterableDataset) or not isinstance(dataset, Sized):
        raise ArgumentError(
            "dataset must give vectors, or images (c, h, w) with len() and indices; got inputs of "
            f"shape {tuple(first.shape)} from a {type(dataset).__name__}: flatten them in `unpack`"
        )
    c, h, w = first.shape
    return _DatasetImages(dataset, unpack, (len(targets), c, h, w)), torch.stack(targets)


@dataclass(frozen=True, eq=False)
class _DatasetImages:
    """The images of a map-style data set, read one by one when they are needed."""

    dataset: Any
    unpack: Unpack
    shape: tuple[int, int, int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor) -> Tensor:
        samples = [self.unpack(self.dataset[row])[0] for row in rows.tolist()]
        return torch.stack([_tensor("inputs", sample) for sample in samples])


def _samples(dataset: TorchDataset[Any]) -> Iterator[Any]:
    if isinstance(dataset, IterableDataset):
        yield from dataset
    elif isinstance(dataset, Sized):
        yield from (dataset[row] for row in range(len(dataset)))
    else:
        raise ArgumentError(
            f"dataset must have len() or be an IterableDataset; got a {type(dataset).__name__}: "
            "give it a __len__"
        )


def _pair(sample: Any) -> tuple[Any, Any]:
    if not isinstance(sample, tuple | list) or len(sample) != 2:
        raise DataError(
            f"dataset must have samples (inputs, targets); got a {type(sample).__name__}: pass "
            "unpack=… that returns such a pair"
        )
    return sample[0], sample[1]


def _tensor(name: str, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"dataset must have numbers as {name}; got a {type(value).__name__}: pass unpack=… "
            "that returns tensors"
        ) from error
    return tensor if tensor.is_floating_point() else tensor.float()
