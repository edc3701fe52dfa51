"""Whether a layer's outputs are W h + b, to the rounding of what it computes in."""

import contextlib
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.activations.evidence.calls import spread_positions
from deepnrc.activations.evidence.patches import Geometry, Padding

__all__ = ["Affine", "Misfit", "misfit", "rounding"]

_POSITIONS = 8
_HALF = 1e-4  # eps of half precisions is above it


@dataclass(frozen=True)
class Affine:
    """What a layer may apply: h ↦ W h + b, of a patch h under the kernel for convolutions.

    Attributes:
        weight: (units · taps) × channels, float64, as of `WeightLayer.weight_matrix`.
        bias: None: 0.
        padding: How its inputs are extended.
    """

    weight: Float64[Tensor, "p d"]
    bias: Float64[Tensor, " u"] | None
    padding: Padding


@dataclass(frozen=True)
class Misfit:
    """How far outputs are from W h + b.

    Attributes:
        rounding: In units of what rounding explains: at most 1 where they agree.
        share: Relative to the outputs without bias, root mean square.
    """

    rounding: float
    share: float


def rounding(*tensors: Tensor) -> float:
    """Relative rounding of a computation with these tensors where it runs."""
    kinds = [x.dtype for x in tensors if x.is_floating_point()]
    device = tensors[0].device.type
    if torch.is_autocast_enabled(device):
        kinds.append(torch.get_autocast_dtype(device))
    eps = max(torch.finfo(kind).eps for kind in kinds)
    if max(kinds, key=lambda kind: torch.finfo(kind).eps) == torch.float32:
        if device == "cuda":
            return 2.0**-10  # cuDNN rounds to TF32 unless told otherwise
        with contextlib.suppress(RuntimeError):  # it has other names in newer versions of torch
            return {"high": 2.0**-10, "medium": 2.0**-7}.get(
                torch.get_float32_matmul_precision(), eps
            )
    return eps


def misfit(
    affine: Affine, geometry: Geometry, inputs: Tensor, outputs: Tensor, eps: float
) -> Misfit:
    """Compare outputs with what an affine map makes of the inputs.

    Rounding is taken as that of products and sums in any order: their errors are independent, so
    that an output's is about eps·√(Σ (w·h)² + y²). In single and double precision 32 times as
    much is allowed, for fast algorithms of convolutions and long sums (2 to 5 were seen for a
    width of 4096); in half precisions, whose sums run in float32, once (0.3 was seen).

    Args:
        affine: W and b.
        geometry: Of the layer.
        inputs: Samples × channels × axes.
        outputs: Samples × units × axes.
        eps: Of the computation.
    """
    entering, leaving = tuple(inputs.shape[2:]), tuple(outputs.shape[2:])
    units = outputs.shape[1]
    at = torch.tensor(
        [
            (sample, *place)
            for sample in range(len(inputs))
            for place in spread_positions(leaving, _POSITIONS)
        ]
    )
    patches = geometry.padded(affine.padding, entering, leaving).patches(inputs, at)
    got = outputs[tuple(index.to(outputs.device) for index in (at[:, 0],))]
    got = got[(torch.arange(len(at)), slice(None), *at[:, 1:].T)].double().cpu()
    weight = affine.weight.reshape(units, -1)  # units × (kernel · channels)
    bias = torch.zeros(units, dtype=torch.float64) if affine.bias is None else affine.bias
    # By their size, so that squares stay in range.
    size = max(_largest(patches), _largest(got)) or 1.0
    patches, got, bias = patches / size, got / size, bias / size
    patches = patches.transpose(1, 2).flatten(1)
    linear = patches @ weight.T
    energy = patches.square() @ weight.square().T
    energy = energy + (linear + bias).square() + bias.square()
    finite = torch.isfinite(got).all(1)
    if not bool(finite.any()):
        return Misfit(0.0, 0.0)  # NaN and overflow are found and named by the pass
    if not bool(torch.isfinite(energy[finite]).all()):
        return Misfit(math.inf, math.inf)
    error, energy = (got - linear - bias)[finite].square(), energy[finite]
    allowed = eps * (1.0 if eps > _HALF else 32.0)
    least = torch.finfo(outputs.dtype).smallest_normal / min(size, 1.0)
    total = error.mean().sqrt() / (allowed * energy.mean().sqrt() + least)
    # Of a few rows, an output unit's own root mean square is up to twice its expectation.
    by_unit = error.mean(0).sqrt() / (2 * allowed * energy.mean(0).sqrt() + least)
    share = error.mean().sqrt() / ((got - bias)[finite].square().mean().sqrt() + least)
    return Misfit(float(torch.maximum(total, by_unit.max())), float(share))


def _largest(values: Tensor) -> float:
    return float(torch.where(torch.isfinite(values), values.abs(), 0.0).max())
