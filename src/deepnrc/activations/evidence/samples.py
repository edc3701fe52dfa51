"""The first samples of a batch: a smaller batch of the same kind, to see what moves with it."""

import copy
import sys
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._pytree import tree_leaves

from deepnrc.activations.nests import mapped

__all__ = ["first_samples", "same_sizes"]


def first_samples(value: Any, count: int, total: int, *, batch_dim: int | None = None) -> Any:
    """A nest with only its first samples; twice all of them where there are more to take.

    Args:
        value: Tensors in containers; what is no batch stays as it is.
        count: Samples wanted; at most twice ``total``.
        total: Samples of the batch.
        batch_dim: The samples' axis in each tensor of the batch; None: the first axis of that
            size, the leading one before others.
    """

    def leaf(item: Any) -> Any:
        if not isinstance(item, Tensor):
            return item
        axis = _sample_axis(item, total, batch_dim)
        # Copied, because a model may change its inputs in place.
        return item.clone() if axis is None else _narrowed(item, axis, count)

    def special(item: Any) -> Any:
        if isinstance(item, PackedSequence):
            padded, lengths = pad_packed_sequence(item, batch_first=True)
            both = _narrowed(padded, 0, count), _narrowed(lengths, 0, count)
            return pack_padded_sequence(*both, batch_first=True, enforce_sorted=False)
        if hasattr(item, "to_data_list") and hasattr(item, "from_data_list"):
            graphs = item.to_data_list()  # a batch of graphs of PyTorch Geometric
            made = sys.modules["torch_geometric.data"].Batch.from_data_list
            return made((graphs * 2)[:count]) if len(graphs) == total else copy.copy(item)
        if hasattr(item, "batch_size") and hasattr(item, "to_tensordict"):
            first = item.batch_size[0] if item.batch_size else None  # of tensordict
            return torch.cat([item, item])[:count].clone() if first == total else item.clone()
        plain = isinstance(item, tuple | list) and not hasattr(item, "_fields")
        if plain and len(item) == total and not any(isinstance(x, Tensor) for x in item):
            return type(item)((list(item) * 2)[:count])  # such as texts
        return NotImplemented

    return mapped(value, leaf, special)


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
