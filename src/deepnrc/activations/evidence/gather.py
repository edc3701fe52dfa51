"""One extra forward pass over part of a batch, and what it shows of every layer."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from deepnrc.activations.evidence.dataflow import Dataflow
from deepnrc.activations.evidence.effective_weight import Applied, WeightEvidence
from deepnrc.activations.evidence.layout import Glimpse
from deepnrc.activations.evidence.samples import (
    part_start,
    reordered,
    samples_from,
    shuffled,
)
from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.kinds.part import Entering, values_of
from deepnrc.activations.layers import WeightLayer
from deepnrc.errors import LayerError
from deepnrc.support.undefined import Undefined

__all__ = ["BatchEvidence", "gather", "routes"]


@dataclass
class LayerTrail:
    """What one layer showed.

    Attributes:
        depths: Most measured layers one after the other between the inputs and it, in each call.
        served: Heads whose predictions depend on each call; "" is the only one of a single output.
        calls: Of it.
        filled: Numbers of the calls that were given a row.
        glimpses: Of what entered it, a call each; undefined where that is.
        applied: What it applies; None where that could not be compared.
    """

    depths: list[int] = field(default_factory=list)
    served: list[frozenset[str]] = field(default_factory=list)
    calls: int = 0
    filled: frozenset[int] = frozenset()
    glimpses: list[Glimpse | Undefined] = field(default_factory=list)
    applied: Applied | None = None

    @property
    def depth(self) -> int:
        """Of its deepest call."""
        return max(self.depths, default=0)

    @property
    def serves(self) -> frozenset[str]:
        """Heads whose predictions depend on any call."""
        return frozenset[str]().union(*self.served)

    def at(self, call: int | None) -> tuple[int, frozenset[str]]:
        """Depth and heads of one call, from 0; of all together where it was not seen, or None."""
        if call is None or call >= len(self.depths):
            return self.depth, self.serves
        return self.depths[call], self.served[call]

    def joined(self, other: "LayerTrail") -> "LayerTrail":
        """The same with what another batch showed of the path."""
        depths = zip_longest(self.depths, other.depths, fillvalue=0)
        served = zip_longest(self.served, other.served, fillvalue=frozenset[str]())
        return replace(
            self,
            depths=[max(both) for both in depths],
            served=[one | two for one, two in served],
            filled=self.filled | other.filled,
            applied=self.applied or other.applied,
        )


@dataclass(frozen=True)
class BatchEvidence:
    """What a part of a batch showed.

    Attributes:
        samples: Of the whole batch.
        order: Numbers of the samples of the part; empty where no part could be taken.
        predictions: For the part, by head.
        layers: By name, of the layers that were called.
        reason: Why no part of the batch could be looked at; None where it could.
    """

    samples: int
    order: tuple[int, ...]
    predictions: Mapping[str, Any]
    layers: dict[str, LayerTrail]
    reason: Undefined | None = None

    @property
    def applied(self) -> dict[str, Applied]:
        """What the layers apply, by name, where it could be compared with their weights."""
        return {name: x.applied for name, x in self.layers.items() if x.applied is not None}

    def with_routes(self, other: "BatchEvidence") -> "BatchEvidence":
        """The same with what another batch showed of the path: routes may depend on the data."""
        layers = {
            name: trail.joined(other.layers[name]) if name in other.layers else trail
            for name, trail in self.layers.items()
        }
        return replace(self, layers={**other.layers, **layers})


def gather(
    layers: Sequence[WeightLayer],
    predict: Callable[[Any], Mapping[str, Any]],
    inputs: Any,
    samples: int,
    *,
    batch_dim: int | None = None,
) -> BatchEvidence:
    """Run a model on the last samples of a batch (twice the batch of a single sample) and look.

    Where it cannot run on these, it is run on the samples in another order; and where that fails
    too, on the batch as it is, which shows what depends on what but not where the samples are.

    Args:
        layers: To look at.
        predict: Inputs → the predictions of each head.
        inputs: Of the batch.
        samples: In the batch.
        batch_dim: Axis of the samples in the inputs; None: found by its size.
    """
    reason: Undefined | None = None
    start = part_start(samples)
    parts = list(range(start, samples)) or [0, 0]
    for order in (parts, shuffled(samples)):
        try:
            some, found = reordered(inputs, order, samples, batch_dim=batch_dim)
            if not found:
                reason = Undefined(
                    f"no axis of the inputs has the {samples} samples of the targets"
                )
                break
            return _looked(layers, functools.partial(predict, some), samples, tuple(order))
        except Exception as error:  # whatever the model objects to in a smaller batch
            said = str(error).splitlines()[0] if str(error) else ""
            reason = reason or Undefined(
                "the model does not run on a part of the batch "
                f"({type(error).__name__}: {said[:80]})"
            )
    return replace(routes(layers, predict, inputs, samples), reason=reason)


def routes(
    layers: Sequence[WeightLayer],
    predict: Callable[[Any], Mapping[str, Any]],
    inputs: Any,
    samples: int,
) -> BatchEvidence:
    """Run a model on the whole batch: what depends on what, but not where the samples are."""
    copied = samples_from(inputs, 0, samples)
    whole = _looked(layers, functools.partial(predict, copied), samples, ())
    for trail in whole.layers.values():
        trail.glimpses.clear()
    return whole


def _looked(
    layers: Sequence[WeightLayer],
    predict: Callable[[], Mapping[str, Any]],
    samples: int,
    order: tuple[int, ...],
) -> BatchEvidence:
    trails: dict[str, LayerTrail] = {}
    wanted = {layer.name: layer for layer in layers}
    numbers: dict[str, list[int]] = {layer.name: [] for layer in layers}  # of calls, all counted
    axes = {layer.name: layer.feature_axis for layer in layers}
    flow, weights = Dataflow(), WeightEvidence(layers)

    def entered(name: str, entering: Entering) -> None:
        if weights.busy:
            return
        trail = trails.setdefault(name, LayerTrail())
        values = values_of(entering)
        if values is None or values.numel():
            trail.filled |= {trail.calls}
        trail.calls += 1
        if isinstance(entering, Undefined):
            trail.glimpses.append(entering)
            return
        assert values is not None
        _check_width(wanted[name], values)
        trail.glimpses.append(Glimpse.of(entering, axes[name]))
        with _disable_current_modes():  # nothing here leads to the predictions
            weights.entered(name, values)

    hooks = InputHooks(layers, entered)

    def left(name: str, given: Any, returned: Any) -> None:
        if not hooks.busy and not weights.busy:
            number = sum(map(len, numbers.values()))
            depth = flow.passed(number, given, returned, level=wanted[name].part.level)
            numbers[name].append(number)
            trails[name].depths.append(depth)
            with _disable_current_modes():
                weights.left(name, given, returned)

    modules = {layer.name: layer.module for layer in layers}
    with flow, hooks, _output_hooks(modules, left):
        predictions = predict()
    origins = {head: _origin(flow, given) for head, given in predictions.items()}
    for name, trail in trails.items():
        trail.served = [_heads(origins, number) for number in numbers[name]]
        trail.applied = weights.applied.get(name)
    return BatchEvidence(samples, order, predictions, trails)


def _heads(origins: Mapping[str, int], call: int) -> frozenset[str]:
    """Heads whose predictions depend on a call."""
    return frozenset(head for head, calls in origins.items() if calls >> call & 1)


def _origin(flow: Dataflow, predictions: Any) -> int:
    """The calls that predictions depend on, a bit each; all where there is no tensor to ask."""
    tensors = [leaf for leaf in tree_leaves(predictions) if isinstance(leaf, Tensor)]
    return flow.of(tensors).layers if tensors else -1


def _check_width(layer: WeightLayer, activation: Tensor) -> None:
    """Name the layer before torch names two shapes."""
    axis, width = layer.feature_axis, layer.feature_dim
    if activation.layout != torch.strided or activation.is_nested:
        kind = "nested" if activation.is_nested else "sparse"
        raise LayerError(
            f"layer '{layer.name}' is given a {kind} tensor, whose rows cannot be summed: make it "
            "dense (with padding and mask=) in unpack="
        )
    if torch._C._functorch.is_batchedtensor(activation):
        raise LayerError(
            f"layer '{layer.name}' is called inside torch.vmap: measure the stacked models one by "
            "one"
        )
    if activation.ndim < -axis or activation.shape[axis] != width:
        what = (
            f"{width} channels before {-1 - axis} spatial axes"
            if axis < -1
            else f"{width} features"
        )
        raise LayerError(
            f"layer '{layer.name}' takes {what}; got an input of shape {tuple(activation.shape)}: "
            f"{layer.part.remedy}"
        )


@contextlib.contextmanager
def _output_hooks(
    modules: dict[str, torch.nn.Module], receive: Callable[[str, Any, Any], None]
) -> Iterator[None]:
    handles, thread = [], threading.get_ident()
    try:
        for name, module in modules.items():

            def hook(
                module: torch.nn.Module, args: Any, kwargs: Any, output: Any, name: str = name
            ) -> None:
                if threading.get_ident() == thread:
                    receive(name, (args, kwargs), output)

            handles.append(module.register_forward_hook(hook, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
