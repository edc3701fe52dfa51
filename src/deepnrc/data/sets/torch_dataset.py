"""Any PyTorch data set as one of ours: split, scaled, named."""

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from deepnrc.data.dataset import Dataset, split_data
from deepnrc.data.source import ImageRows, RawData, Scaling
from deepnrc.errors import ArgumentError, DataError

__all__ = ["from_dataset"]

Unpack = Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True, eq=False)
class _DatasetImages:
    """The images of a map-style data set, asked for one by one when they are needed."""

    dataset: Any
    unpack: Unpack
    shape: tuple[int, int, int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor) -> Tensor:
        samples = [self.unpack(self.dataset[row])[0] for row in rows.tolist()]
        return torch.stack([_tensor("inputs", sample) for sample in samples])


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

    The data set is read once from end to end. Vectors are kept in memory; of images (c × h × w) in
    a data set with ``len`` and indices only the targets are, and the images are asked for again,
    row by row, when they are needed. So it must give the same image for a row each time: put random
    augmentation elsewhere.

    Args:
        dataset: Its samples are (inputs, targets), each a number, array or tensor.
        unpack: Takes a sample that is something else and gives (inputs, targets).
        input_names: One per column; x0, x1, … by default.
        target_names: One per column; y0, y1, … by default.
        split_seed: Seed of the permutation that draws the test part.
        test_fraction: Share of rows for the test part, in (0, 1).
        standardize: Whether columns of inputs (not images) and targets get mean 0 and deviation 1
            on the train part.
        name: Of the data set, for the provenance; its type's by default.

    Raises:
        ArgumentError: if there are no samples, names do not fit, or images cannot be asked for
            again.
        DataError: if a sample is no pair of numbers, or shapes differ from sample to sample.
        NonFiniteError: if inputs in memory or targets hold NaN or infinity.
    """
    take = _pair if unpack is None else unpack
    lazy = isinstance(dataset, Sized) and not isinstance(dataset, IterableDataset)
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    first: Tensor | None = None
    for row, sample in enumerate(_samples(dataset)):
        pair = take(sample)
        x, y = _tensor("inputs", pair[0]), _tensor("targets", pair[1]).reshape(-1)
        first = x if first is None else first
        if x.shape != first.shape or (targets and y.shape != targets[0].shape):
            raise DataError(
                f"dataset: expected inputs of shape {tuple(first.shape)} and as many targets in "
                f"each sample, got shape {tuple(x.shape)} and {len(y)} targets in sample {row}; "
                "resize or pad them first"
            )
        targets.append(y)
        if x.ndim < 2:
            inputs.append(x.reshape(-1))
    if first is None:
        raise ArgumentError("dataset: expected samples, got none; pass one that is not empty")
    rows: Tensor | ImageRows
    if first.ndim < 2:
        rows = torch.stack(inputs)
        columns = tuple(input_names or (f"x{i}" for i in range(rows.shape[1])))
    elif first.ndim == 3 and lazy:
        c, h, w = first.shape
        rows, columns = _DatasetImages(dataset, take, (len(targets), c, h, w)), ("image",)
    else:
        raise ArgumentError(
            f"dataset: expected vectors, or images (c, h, w) with len() and indices, got inputs of "
            f"shape {tuple(first.shape)} from a {type(dataset).__name__}; flatten them in `unpack`"
        )
    stacked = torch.stack(targets)
    names = tuple(target_names or (f"y{i}" for i in range(stacked.shape[1])))
    width = rows.shape[1] if isinstance(rows, Tensor) else 1
    if len(columns) != width or len(names) != stacked.shape[1]:
        raise ArgumentError(
            f"input_names and target_names: expected {width} and {stacked.shape[1]} names, got "
            f"{len(columns)} and {len(names)}"
        )
    kind = name or type(dataset).__name__
    made_from = f"the PyTorch data set {kind}, {len(targets)} samples"
    scaling: Scaling = "standard" if standardize else "none"
    return split_data(
        RawData(rows, stacked, columns, names, {"data": kind, "made_from": made_from}),
        split_seed=split_seed,
        test_fraction=test_fraction,
        scale_inputs=standardize,
        target_scaling=scaling,
    )


def _samples(dataset: TorchDataset[Any]) -> Iterable[Any]:
    if isinstance(dataset, IterableDataset):
        yield from dataset
    elif isinstance(dataset, Sized):
        yield from (dataset[row] for row in range(len(dataset)))
    else:
        raise ArgumentError(
            f"dataset: expected one with len(), or an IterableDataset, got a "
            f"{type(dataset).__name__}; give it a __len__"
        )


def _pair(sample: Any) -> tuple[Any, Any]:
    if not isinstance(sample, tuple | list) or len(sample) != 2:
        raise DataError(
            f"dataset: expected samples (inputs, targets), got a {type(sample).__name__}; pass "
            "unpack=… that makes such a pair of it"
        )
    return sample[0], sample[1]


def _tensor(name: str, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"dataset: expected numbers as {name}, got a {type(value).__name__}; pass unpack=… "
            "that turns it into a tensor"
        ) from error
    return tensor if tensor.is_floating_point() else tensor.float()
