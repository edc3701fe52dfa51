"""Which inputs a layer's output is made of: all features of a row, or the patch under a kernel."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

__all__ = ["Geometry", "Padding"]

_MODES = ("zeros", "circular", "reflect", "replicate")
_PLACES = ("half", "rest of half", "all before", "all after")


@dataclass(frozen=True)
class Padding:
    """How a convolution extends its input, whatever the input's size.

    Attributes:
        place: ``"stored"``, what its attributes say; else where what its sizes show to be added
            stands: half of it before the input, all of it before …, as in causal convolutions.
        mode: As of torch's convolutions.
    """

    place: str
    mode: str


@dataclass(frozen=True)
class Geometry:
    """Kernel of a convolution; of no axes for a linear layer.

    Attributes:
        kernel: Size along each axis.
        stride: Along each axis.
        dilation: Along each axis.
        before: What is added before the input along each axis; cut off, for a transposed one.
        mode: Of padding.
        transposed: Whether it is a transposed convolution.
    """

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    mode: str = "zeros"
    transposed: bool = False

    @classmethod
    def of(cls, module: nn.Module) -> "Geometry":
        """Of torch's convolutions; for other layers one of no axes."""
        if not isinstance(module, _ConvNd):
            return cls()
        kernel, dilation, before = module.kernel_size, module.dilation, module.padding
        if isinstance(before, str):
            same = before == "same"
            spans = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
            before = tuple(span // 2 * same for span in spans)
        mode, transposed = module.padding_mode, module.transposed
        return cls(kernel, module.stride, dilation, before, mode, transposed)

    @property
    def spans(self) -> tuple[int, ...]:
        """Distance from the first to the last tap along each axis."""
        return tuple(d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True))

    def paddings(self) -> Iterator[Padding]:
        """What may be meant: first what the attributes say; subclasses often pad by themselves."""
        yield Padding("stored", self.mode)
        if self.kernel:
            for mode in dict.fromkeys((self.mode, *_MODES[: 1 if self.transposed else None])):
                yield from (Padding(place, mode) for place in _PLACES)

    def padded(
        self, padding: Padding, entering: tuple[int, ...], leaving: tuple[int, ...]
    ) -> "Geometry":
        """The geometry with a padding, for inputs and outputs of these sizes."""
        if padding.place == "stored":
            return replace(self, mode=padding.mode)
        before = []
        for s, span, i, o in zip(self.stride, self.spans, entering, leaving, strict=True):
            longer, shorter = (i, o) if self.transposed else (o, i)
            added = max(0, (longer - 1) * s + span + 1 - shorter)
            half = added // 2
            places = dict(zip(_PLACES, (half, added - half, added, 0), strict=True))
            before.append(places[padding.place])
        return replace(self, before=tuple(before), mode=padding.mode)

    def patches(self, inputs: Tensor, at: Tensor) -> Float64[Tensor, "n c k"]:
        """What makes the outputs at some positions, tap by tap; float64 on the CPU.

        Args:
            inputs: Samples × channels × the axes of the kernel.
            at: Number of the sample and position of each output, n × (1 + axes).
        """
        indices: list[Tensor] = []
        valid = torch.ones(len(at), *self.kernel, dtype=torch.bool)
        for axis, size in enumerate(inputs.shape[2:]):
            index, inside = self._taps(axis, size, at[:, 1 + axis])
            shape = [len(at), *(k if a == axis else 1 for a, k in enumerate(self.kernel))]
            indices.append(index.reshape(shape).expand(len(at), *self.kernel).to(inputs.device))
            valid &= inside.reshape(shape)
        samples = at[:, 0].reshape(-1, *[1] * len(self.kernel)).expand(len(at), *self.kernel)
        # Channels last, as indices come first.
        found = inputs.movedim(1, -1)[(samples.to(inputs.device), *indices)].double().cpu()
        found = torch.where(valid[..., None], found, torch.zeros((), dtype=torch.float64))
        return found.reshape(len(at), -1, inputs.shape[1]).transpose(1, 2)

    def _taps(self, axis: int, size: int, at: Tensor) -> tuple[Tensor, Tensor]:
        """Index of what each tap reads along an axis, n × k, and whether it reads anything."""
        stride, before = self.stride[axis], self.before[axis]
        reach = torch.arange(self.kernel[axis]) * self.dilation[axis]
        if self.transposed:
            steps = at[:, None] + before - reach
            index = steps.div(stride, rounding_mode="floor")
            inside = (steps % stride == 0) & (index >= 0) & (index < size)
        else:
            index = at[:, None] * stride - before + reach
            inside = torch.ones_like(index, dtype=torch.bool)
            if self.mode == "circular":
                index = index % size
            elif self.mode == "reflect":
                index = (size - 1) - ((size - 1) - index.abs()).abs()
            elif self.mode == "zeros":
                inside = (index >= 0) & (index < size)
        return index.clamp(0, size - 1), inside
