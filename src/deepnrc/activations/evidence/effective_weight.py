"""Which matrix a layer applies: its weight where its outputs show it, else what they show.

A masked, standardised, ternary or adapted layer multiplies with something else than its
``.weight``. Its outputs for a few rows of a batch tell; then the layer itself is asked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.activations.evidence.basis import affine_maps, random_inputs
from deepnrc.activations.evidence.calls import Kept, LayerCall
from deepnrc.activations.evidence.comparison import Affine, Misfit, misfit, rounding
from deepnrc.activations.evidence.patches import Geometry
from deepnrc.activations.kinds.part import ONE_MATRIX
from deepnrc.activations.layers import WeightLayer
from deepnrc.support.undefined import Undefined

__all__ = ["Applied", "WeightEvidence"]

_DOUBT = 4.0  # more than this many times the rounding allowed is no rounding
_NOTE = (
    "its weight is what the layer applies, found by applying it to a basis: its output is not "
    "W h + b with its own .weight"
)


@dataclass(frozen=True)
class Applied:
    """What a layer applies.

    Attributes:
        weight: p × d, float64; undefined where the layer is not affine.
        bias: Of each output unit; None: 0.
        outputs: p.
        source: Empty where W is its ``.weight``; ``"layer"`` where it was found by applying it to
            a basis; ``"undefined"``.
        notes: What should be known of it.
    """

    weight: Float64[Tensor, "p d"] | Undefined
    bias: Float64[Tensor, " u"] | None
    outputs: int
    source: str = ""
    notes: tuple[str, ...] = ()


class WeightEvidence:
    """Compares what enters and leaves layers during a forward pass with their weights.

    Attributes:
        applied: By the layer's name, of those that were called.
        busy: Whether a layer is being called here, so that hooks are to look away.

    Args:
        layers: To look at.
    """

    def __init__(self, layers: Sequence[WeightLayer]) -> None:
        self._layers = {
            x.name: x for x in layers if x.kind in ONE_MATRIX and len(x.parts.parts) == 1
        }
        self._kept: dict[str, tuple[Kept, Affine]] = {}
        self._known: dict[str, Affine] = {}
        self.applied: dict[str, Applied] = {}
        self.busy = False

    def entered(self, name: str, activation: Tensor) -> None:
        """Keep a few rows of what enters a layer."""
        layer = self._layers.get(name)
        if layer is None or not activation.is_floating_point() or not activation.numel():
            return
        # Normed weights are made anew, sharded ones gathered, just before a call.
        known = self._known.get(name)
        if known is None:
            padding = next(iter(Geometry.of(layer.parts.stored or layer.module).paddings()))
            known = Affine(layer.weight_matrix(), layer.bias, padding)
        if torch._C._functorch.is_batchedtensor(known.weight):
            return  # inside torch.vmap, which is refused elsewhere
        self._kept[name] = Kept.of(layer, activation), known

    def left(self, name: str, given: tuple[tuple[Any, ...], dict[str, Any]], returned: Any) -> None:
        """Compare what a layer returned with its weight."""
        if name not in self._kept:
            return
        kept, affine = self._kept.pop(name)
        layer, before = self._layers[name], self.applied.get(name)
        if before is not None and before.source == "undefined":
            return
        geometry = Geometry.of(layer.parts.stored or layer.module)
        units = len(affine.weight) // math.prod(geometry.kernel)
        self.busy = True
        try:
            call = LayerCall.of(layer, kept, given, returned, units)
            found = _found(call, geometry, affine, first=before is None)
        except (NotImplementedError, RuntimeError) as error:  # tensors of other kinds
            note = f"what it applies could not be compared with its weight ({_first_line(error)})"
            self.applied[name] = Applied(
                affine.weight, affine.bias, len(affine.weight), notes=(note,)
            )
            return
        finally:
            self.busy = False
        if isinstance(found, Affine):
            self._known[name] = found
            stored = found.weight is affine.weight and (before is None or not before.source)
            self.applied[name] = Applied(
                found.weight,
                found.bias,
                len(found.weight),
                "" if stored else "layer",
                () if stored else (_NOTE,),
            )
        else:
            self.applied[name] = Applied(found, None, len(affine.weight), "undefined")


def _found(
    call: LayerCall, geometry: Geometry, stored: Affine, *, first: bool
) -> Affine | Undefined:
    """What the layer applies: the stored weight itself where it does."""
    inputs, outputs = call.kept.inputs, call.outputs
    if outputs is None:
        return Undefined(
            f"the layer does not return {call.units} values for each row of its input: it is not "
            "W h + b"
        )
    eps = rounding(inputs, outputs)
    agreeing = _agreeing(geometry, stored, inputs, outputs, eps)
    if agreeing is not None and (
        not first or _is_plain(call.layer) or _is_affine(call, geometry, agreeing, eps) is None
    ):
        return agreeing
    if not first:
        return Undefined("the layer applies another matrix in another call")
    return _from_layer(call, geometry, stored, eps)


def _agreeing(
    geometry: Geometry, stored: Affine, inputs: Tensor, outputs: Tensor, eps: float
) -> Affine | None:
    """The stored weight with the padding that explains the outputs; None where none does."""
    for padding in geometry.paddings():
        candidate = Affine(stored.weight, stored.bias, padding)
        if misfit(candidate, geometry, inputs, outputs, eps).rounding <= 1.0:
            return candidate
    return None


def _from_layer(
    call: LayerCall, geometry: Geometry, stored: Affine, eps: float
) -> Affine | Undefined:
    outputs = call.outputs
    assert outputs is not None
    best: Misfit | None = None
    try:
        for affine in affine_maps(call, geometry):
            off = misfit(affine, geometry, call.kept.inputs, outputs, eps)
            if off.rounding <= _DOUBT:
                off = _is_affine(call, geometry, affine, eps) or off
            if off.rounding <= _DOUBT:
                return _stored_if_equal(affine, stored, eps)
            best = off if best is None or off.share < best.share else best
    except Exception as error:  # whatever the layer objects to
        return Undefined(
            "the layer's output is not W h + b, and it cannot be applied to other inputs "
            f"({_first_line(error)})"
        )
    if best is None:
        return Undefined("the layer's output is not W h + b, nor has it the size of one")
    if not math.isfinite(best.share):
        return Undefined(
            "the layer's output is not W h + b and it is not linear: its output for inputs of 0 "
            "and unit vectors is not finite"
        )
    return Undefined(
        "the layer's output is not W h + b and it is not linear: it differs by "
        f"{best.share:.2g} of its size from the matrix found by applying it to a basis"
    )


def _first_line(error: Exception) -> str:
    said = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {said[:80]}"


def _is_affine(call: LayerCall, geometry: Geometry, affine: Affine, eps: float) -> Misfit | None:
    """How far random inputs are from W h + b; None where they are not far."""
    inputs = random_inputs(call, geometry)
    outputs = call.through(inputs)
    if outputs is None or not bool(torch.isfinite(outputs).all()):
        return Misfit(math.inf, math.inf)
    off = misfit(affine, geometry, inputs, outputs, eps)
    return off if off.rounding > _DOUBT else None


def _stored_if_equal(affine: Affine, stored: Affine, eps: float) -> Affine:
    """The stored weight where what was found is the same to rounding."""
    bias = 0.0 if stored.bias is None else stored.bias
    far = (affine.weight - stored.weight).abs().max()
    far_bias = torch.zeros(()) if affine.bias is None else (affine.bias - bias).abs().max()
    largest = stored.weight.abs().max()
    if float(far) <= 2 * eps * float(largest) and float(far_bias) <= 2 * eps * float(
        torch.as_tensor(bias).abs().max() + largest
    ):
        return Affine(stored.weight, stored.bias, affine.padding)
    return affine


def _is_plain(layer: WeightLayer) -> bool:
    """Whether the layer runs torch's own code on its own weight."""
    if layer.parts.stored is not None:
        return False
    kind, weight = type(layer.module), layer.module.weight
    own = all(
        getattr(kind, name, None) is None or getattr(kind, name).__module__.startswith("torch.nn.")
        for name in ("forward", "_conv_forward")
    )
    plain = type(weight) in (Tensor, torch.nn.Parameter)
    return own and plain and "forward" not in vars(layer.module)
