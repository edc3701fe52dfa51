"""Data as people have them, as a loader: arrays or frames (X, y), data sets, loaders."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deepnrc.activations.nests import mapped
from deepnrc.errors import ArgumentError, DataError

__all__ = ["Data", "as_loader"]

Data = Iterable[Any] | Dataset[Any]
"""What a model is measured on: a loader, a data set, or (X, y)."""

_BATCH = 256


def as_loader(data: Any, batch_size: int | None = None) -> Iterable[Any]:
    """A loader of what a model is measured on.

    Args:
        data: A loader, that is any iterable of batches; a data set of torch or of Hugging Face; or
            the tuple (X, y), each a tensor, an array, or a frame or series of pandas, X also a
            mapping or tuple of tensors and arrays.
        batch_size: Samples in a batch, 256 by default; for data that are no loader.

    Raises:
        ArgumentError: The data are none of these, or a loader has a batch size already.
        DataError: X and y have other numbers of samples, a column holds no numbers, or a tuple can
            be read in two ways.
    """
    if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
        raise ArgumentError(f"batch_size must be at least 1; got {batch_size!r}")
    if isinstance(data, tuple) and len(data) == 2 and _is_data(*data):
        return _Batches(data[0], data[1], batch_size or _BATCH)
    if isinstance(data, Dataset) or _is_table_of_rows(data):
        return DataLoader(data, batch_size=batch_size or _BATCH)
    if isinstance(data, Tensor | np.ndarray | str | bytes | Mapping) or _is_frame(data):
        raise ArgumentError(
            f"data must be a loader of batches, a data set or a tuple (X, y); got a "
            f"{type(data).__name__}: pass (X, y), with the targets"
        )
    if not isinstance(data, Iterable):
        raise ArgumentError(
            "loader must be an iterable of (inputs, targets), a DataLoader or a list of batches, "
            f"or data: a data set or a tuple (X, y); got {type(data).__name__}"
        )
    if batch_size is not None:
        raise ArgumentError(
            f"batch_size={batch_size} is for (X, y) and data sets; the loader "
            f"({type(data).__name__}) makes its own batches: leave it out, or, where these are "
            "single samples, pass a DataLoader of them"
        )
    return data


class _Batches:
    """Batches of samples in their order."""

    def __init__(self, inputs: Any, targets: Any, size: int) -> None:
        self._inputs, self._targets = _arrays("X", inputs), _arrays("y", targets)
        self._size = size
        counts = {len(x) for x in (*_leaves(self._inputs), *_leaves(self._targets))}
        if len(counts) != 1:
            raise DataError(
                f"X and y must have the same number of samples; got {_counted(self._inputs)} and "
                f"{_counted(self._targets)}: pass (X, y) with a row of each for each sample"
            )
        (self._samples,) = counts

    def __len__(self) -> int:
        return -(-self._samples // self._size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for start in range(0, self._samples, self._size):
            part = slice(start, start + self._size)
            yield self._taken(self._inputs, part), self._taken(self._targets, part)

    @staticmethod
    def _taken(nest: Any, part: slice) -> Any:
        if hasattr(nest, "to_tensordict"):
            return nest[part]
        return mapped(nest, lambda array: array[part])


def _is_data(inputs: Any, targets: Any) -> bool:
    """Whether a tuple of two is (X, y) and not two batches."""
    if _is_array(targets):
        return _is_array(inputs) or isinstance(inputs, Mapping | tuple | list)
    if not isinstance(targets, Mapping):
        return False
    if _is_array(inputs):
        return True
    if isinstance(inputs, Mapping):
        raise DataError(
            "a tuple of two mappings can be (X, y) with several inputs and several targets, or two "
            "batches: pass a list [batch, batch], or [(X, y)] as a single batch"
        )
    return False


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) or _is_frame(value)


def _is_frame(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.partition(".")[0] == "pandas" and kind.__name__ in (
        "DataFrame",
        "Series",
    )


def _is_table_of_rows(value: Any) -> bool:
    """Whether it is a data set of Hugging Face, which is iterated row by row."""
    return hasattr(value, "column_names") and hasattr(value, "with_format")


def _arrays(name: str, value: Any) -> Any:
    if not _is_frame(value):

        def leaf(array: Any) -> Any:
            _check(f"{name}", array.dtype, array)
            return array

        return mapped(value, leaf, lambda x: _arrays(name, x) if _is_frame(x) else NotImplemented)
    columns = [value] if value.ndim == 1 else [value[column] for column in value.columns]
    for column in columns:
        kind = str(column.dtype)
        numeric = column.dtype.kind in "biuf" if hasattr(column.dtype, "kind") else False
        if not numeric:
            raise DataError(
                f"column '{column.name}' of {name} holds {kind}, not numbers: encode it, or leave "
                "it out"
            )
    array = value.to_numpy(dtype=np.float64, na_value=np.nan)
    return torch.from_numpy(np.array(array))


def _check(name: str, dtype: Any, array: Any) -> None:
    if isinstance(array, np.ndarray) and array.dtype.kind not in "biufc":
        raise DataError(
            f"{name} holds {dtype}, not numbers: convert it, such as with {name}.astype(float)"
        )
    if array.ndim == 0:
        raise DataError(f"{name} must have an axis of samples; got a single number")


def _leaves(nest: Any) -> list[Any]:
    found: list[Any] = []
    mapped(nest, found.append)
    return found


def _counted(nest: Any) -> str:
    return " and ".join(dict.fromkeys(str(len(leaf)) for leaf in _leaves(nest))) or "none"
