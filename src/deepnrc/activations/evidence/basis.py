"""The matrix that a linear layer applies, found by applying it to a basis."""

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from deepnrc.activations.evidence.calls import LayerCall
from deepnrc.activations.evidence.comparison import Affine
from deepnrc.activations.evidence.patches import Geometry

__all__ = ["affine_maps", "random_inputs"]

_ELEMENTS = 2**22  # of a batch of impulses


def affine_maps(call: LayerCall, geometry: Geometry) -> Iterator[Affine]:
    """What the layer applies if it is affine, for each way in which it may pad its input.

    Args:
        call: Of the layer.
        geometry: Of its kernel; of no axes for a linear layer.
    """
    inputs = call.kept.inputs
    scale = _scale(inputs)
    spans, strides = geometry.spans, geometry.stride
    # Far enough from both ends that padding of any kind touches no impulse and no output of it.
    first = [2 * span + s + 1 for span, s in zip(spans, strides, strict=True)]
    reach = 1 if geometry.transposed else None
    phases = [range(start, start + (reach or s)) for start, s in zip(first, strides, strict=True)]
    sizes = tuple(
        2 * start + 2 * span + s + 1 for start, span, s in zip(first, spans, strides, strict=True)
    )
    places = list(itertools.product(*phases))
    zero = call.through(inputs.new_zeros(1, inputs.shape[1], *sizes))
    if zero is None:
        return
    responses = {}
    for place in places:
        responses[place] = (_impulses(call, sizes, place, scale) - zero.double().cpu()) / scale
    for padding in geometry.paddings():
        padded = geometry.padded(padding, sizes, tuple(zero.shape[2:]))
        weight = _weight(padded, responses, first)
        if weight is not None:
            centre = tuple(size // 2 for size in zero.shape[2:])
            yield Affine(weight, zero[0].double().cpu().movedim(0, -1)[centre], padding)


def random_inputs(call: LayerCall, geometry: Geometry) -> Tensor:
    """Random inputs of the size of the real ones, always the same."""
    inputs = call.kept.inputs
    sizes = tuple(
        4 * span + 3 * s + 3 for span, s in zip(geometry.spans, geometry.stride, strict=True)
    )
    generator = torch.Generator().manual_seed(0)
    count = 2 if sizes else 8
    drawn = torch.randn(count, inputs.shape[1], *sizes, generator=generator)
    spread = float(inputs.double().square().mean().sqrt()) or 1.0
    return (drawn * spread).to(inputs.device, inputs.dtype)


def _scale(inputs: Tensor) -> float:
    """A power of two near the length of a row of features."""
    length = float(inputs.double().square().sum(1).mean().sqrt())
    if not 0.0 < length < math.inf:
        return 1.0
    limit = math.log2(torch.finfo(inputs.dtype).max) - 8
    return float(2.0 ** max(-limit, min(limit, round(math.log2(length)))))


def _impulses(
    call: LayerCall, sizes: tuple[int, ...], place: tuple[int, ...], scale: float
) -> Tensor:
    """Outputs for each channel by itself at one place; float64 on the CPU."""
    inputs = call.kept.inputs
    channels = inputs.shape[1]
    found = []
    size = max(1, _ELEMENTS // (channels * math.prod(sizes)))
    for part in torch.split(torch.arange(channels), size if sizes else channels):
        basis = inputs.new_zeros(len(part), channels, *sizes)
        at_place = basis.movedim((0, 1), (-2, -1))[place]
        at_place[torch.arange(len(part)), part] = scale
        outputs = call.through(basis)
        assert outputs is not None
        found.append(outputs.double().cpu())
    return torch.cat(found)


def _weight(
    geometry: Geometry, responses: dict[tuple[int, ...], Tensor], first: list[int]
) -> Tensor | None:
    """The kernel as (units · taps) × channels; None where the outputs do not reach that far."""
    columns = []
    for tap in itertools.product(*map(range, geometry.kernel)):
        place, output = [], []
        for axis, t in enumerate(tap):
            s, before = geometry.stride[axis], geometry.before[axis]
            reach = t * geometry.dilation[axis]
            if geometry.transposed:
                place.append(first[axis])
                output.append(first[axis] * s - before + reach)
            else:
                at = first[axis] + (reach - before - first[axis]) % s
                place.append(at)
                output.append((at + before - reach) // s)
        response = responses[tuple(place)]
        inside = all(0 <= o < size for o, size in zip(output, response.shape[2:], strict=True))
        if not inside:
            return None
        columns.append(response.movedim((0, 1), (-2, -1))[tuple(output)].T)  # units × channels
    matrix = torch.stack(columns, 1)
    return matrix.reshape(-1, matrix.shape[-1])
