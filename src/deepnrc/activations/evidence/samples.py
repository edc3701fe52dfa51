"""The first samples of a batch: a smaller batch of the same kind, to see what moves with it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._pytree import tree_leaves

__all__ = ["first_samples", "same_sizes"]


def first_samples(value: Any, count: int, total: int, *, batch_dim: int | None = None) -> Any:
    """A nest with only its first samples; twice all of them where there are more to take.

    Args:
        value: Tensors in mappings, tuples, lists, dataclasses; what is no batch stays as it is.
        count: Samples wanted; at most twice ``total``.
        total: Samples of the batch.
        batch_dim: The samples' axis in each tensor of the batch; None: the first axis of that
            size, the leading one before others.
    """

    def taken(item: Any) -> Any:
        return first_samples(item, count, total, batch_dim=batch_dim)

    if isinstance(value, Tensor):
        axis = _sample_axis(value, total, batch_dim)
        # Copied, because a model may change its inputs in place.
        return value.clone() if axis is None else _narrowed(value, axis, count)
    if isinstance(value, PackedSequence):
        padded, lengths = pad_packed_sequence(value, batch_first=True)
        both = _narrowed(padded, 0, count), _narrowed(lengths, 0, count)
        return pack_padded_sequence(*both, batch_first=True, enforce_sorted=False)
    if isinstance(value, Mapping):
        items = {key: taken(item) for key, item in value.items()}
        return items if type(value) is dict else _rebuilt(value, items)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(taken, value))
    if isinstance(value, tuple | list):
        if len(value) == total and not any(isinstance(item, Tensor) for item in value):
            return type(value)((list(value) * 2)[:count])
        return type(value)(map(taken, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: taken(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init
        }
        return dataclasses.replace(value, **fields)
    return value


def same_sizes(one: Any, other: Any) -> bool:
    """Whether all tensors of two nests of one kind have the same shapes."""
    both = zip(tree_leaves(one), tree_leaves(other), strict=False)
    return all(a.shape == b.shape if isinstance(a, Tensor) else True for a, b in both)


def _sample_axis(tensor: Tensor, total: int, batch_dim: int | None) -> int | None:
    if tensor.layout != torch.strided or tensor.is_nested or tensor.ndim == 0:
        return None
    if batch_dim is not None and tensor.ndim > batch_dim and tensor.shape[batch_dim] == total:
        return batch_dim
    return next((axis for axis, size in enumerate(tensor.shape) if size == total), None)


def _narrowed(tensor: Tensor, axis: int, count: int) -> Tensor:
    size = tensor.shape[axis]
    if count > size:
        return torch.cat([tensor, tensor], axis)
    return tensor.narrow(axis, 0, count).clone()


def _rebuilt(value: Any, items: Mapping[Any, Any]) -> Any:
    """A mapping of the same type; a plain one where it cannot be made."""
    try:
        return type(value)(items)
    except Exception:
        return dict(items)
