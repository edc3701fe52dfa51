"""Which part of its storage a tensor views, and whether two parts overlap."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Region", "apart"]


@dataclass(frozen=True)
class Region:
    """Where the elements of a tensor are in its storage.

    Attributes:
        offset: Of the first.
        axes: (stride, size) of each axis with more than one element, the largest stride first; axes
            that follow one another without a gap are one.
    """

    offset: int
    axes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, tensor: Tensor) -> "Region | None":
        """The region of a tensor; None where it has no strides."""
        if tensor.layout != torch.strided or tensor.is_nested:
            return None
        both = zip(tensor.stride(), tensor.shape, strict=True)
        joined: list[tuple[int, int]] = []
        for stride, size in sorted((t, n) for t, n in both if n != 1 and t != 0):
            if joined and stride == joined[-1][0] * joined[-1][1]:  # follows without a gap
                joined[-1] = joined[-1][0], joined[-1][1] * size
            else:
                joined.append((stride, size))
        return cls(int(tensor.storage_offset()), tuple(reversed(joined)))

    def box(self, strides: tuple[int, ...]) -> list[tuple[int, int]] | None:
        """First and last index along axes of these strides, which fall; None: they do not fit.

        Where the elements are no box, it is one around them.
        """
        sizes = dict(self.axes)
        if len(sizes) < len(self.axes):
            return None  # two axes of one stride, as overlapping windows have
        firsts, rest = [], self.offset
        for stride in strides:
            first, rest = divmod(rest, stride)
            firsts.append(first)
        found, more = [(rest, rest)], 0
        for number in reversed(range(len(strides))):
            stride, first = strides[number], firsts[number]
            last = first + sizes.get(stride, 1) - 1 + more
            more = 0
            if number:  # an index that reaches the next stride goes on there
                width, gap = divmod(strides[number - 1], stride)
                if gap:
                    return None
                more = last // width
                first, last = (0, width - 1) if more else (first, last)
            found.append((first, last))
        return found


def apart(one: Region | None, other: Region | None) -> bool:
    """Whether two parts of a storage surely share no element; None is the whole storage."""
    if one is None or other is None:
        return False
    strides = tuple(sorted({stride for stride, _ in (*one.axes, *other.axes)}, reverse=True))
    box, beside = one.box(strides), other.box(strides)
    if box is None or beside is None:
        return False
    return any(a[1] < b[0] or b[1] < a[0] for a, b in zip(box, beside, strict=True))
