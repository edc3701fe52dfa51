"""A part of a batch: a smaller batch of the same kind, to see what moves with it."""

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from deepnrc.activations.nests import mapped

__all__ = ["part_start", "reordered", "samples_from", "shuffled"]


def part_start(samples: int) -> int:
    """The first sample of the part of a batch that is looked at; the part goes to its end.

    An odd start below the middle that no block of two, three or four samples begins with: a model
    that reverses the samples, rolls them or swaps neighbours then shows other rows for the part.
    """
    return 1 + 6 * max((samples // 2 - 1) // 6, 0)


def shuffled(samples: int) -> list[int]:
    """An order of the samples that commutes with no order that a model is likely to take."""
    generator = torch.Generator().manual_seed(0)
    order: list[int] = torch.randperm(samples, generator=generator).tolist()
    return order if order != list(range(samples)) else order[::-1]


def samples_from(value: Any, start: int, total: int, *, batch_dim: int | None = None) -> Any:
    """A nest with only its samples from one on; twice all where that leaves none.

    Args:
        value: Tensors in containers; what is no batch stays as it is.
        start: Number of the first sample wanted.
        total: Samples of the batch.
        batch_dim: The samples' axis in each tensor of the batch; None: the first axis of that
            size, the leading one before others.
    """
    left = list(range(start, total))
    return reordered(value, left or 2 * list(range(total)), total, batch_dim=batch_dim)[0]


def reordered(
    value: Any, order: Sequence[int], total: int, *, batch_dim: int | None = None
) -> tuple[Any, bool]:
    """A nest with the samples of these numbers, and whether anything in it had samples.

    Arguments as of `samples_from`.
    """
    found: list[bool] = []

    def leaf(item: Any) -> Any:
        if not isinstance(item, Tensor):
            return item
        axis = _sample_axis(item, total, batch_dim)
        # Copied, because a model may change its inputs in place.
        return item.clone() if axis is None else note(_picked(item, axis, order))

    def note(made: Any) -> Any:
        found.append(True)
        return made

    def special(item: Any) -> Any:
        if isinstance(item, PackedSequence):
            padded, lengths = pad_packed_sequence(item, batch_first=True)
            both = _picked(padded, 0, order), _picked(lengths, 0, order)
            return note(pack_padded_sequence(*both, batch_first=True, enforce_sorted=False))
        if hasattr(item, "to_data_list") and hasattr(item, "from_data_list"):
            graphs = item.to_data_list()  # a batch of graphs of PyTorch Geometric
            made = sys.modules["torch_geometric.data"].Batch.from_data_list
            return note(made([graphs[i] for i in order])) if len(graphs) == total else item.clone()
        if hasattr(item, "batch_size") and hasattr(item, "to_tensordict"):
            first = item.batch_size[0] if item.batch_size else None  # of tensordict
            return note(item[torch.tensor(order)].clone()) if first == total else item.clone()
        plain = isinstance(item, tuple | list) and not hasattr(item, "_fields")
        if plain and len(item) == total and not any(isinstance(x, Tensor) for x in item):
            return note(type(item)(item[i] for i in order))  # such as texts
        return NotImplemented

    return mapped(value, leaf, special), bool(found)


def _sample_axis(tensor: Tensor, total: int, batch_dim: int | None) -> int | None:
    if tensor.layout != torch.strided or tensor.is_nested or tensor.ndim == 0:
        return None
    if batch_dim is not None and tensor.ndim > batch_dim and tensor.shape[batch_dim] == total:
        return batch_dim
    return next((axis for axis, size in enumerate(tensor.shape) if size == total), None)


def _picked(tensor: Tensor, axis: int, order: Sequence[int]) -> Tensor:
    return tensor.index_select(axis, torch.tensor(order, device=tensor.device))
