"""A model and a loader, and how their batches go through a pass."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from deepnrc.activations.calling import default_forward, default_unpack, ignored_keys
from deepnrc.activations.evidence.gather import BatchEvidence, gather, routes
from deepnrc.activations.evidence.layout import Glimpse
from deepnrc.activations.evidence.samples import samples_from
from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.kinds.part import Entering
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.masks import Masks, batch_masks
from deepnrc.activations.nests import cast_inputs, to_device
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import ArgumentError, DataError
from deepnrc.passes.feed import Feed
from deepnrc.passes.incoming import Incoming
from deepnrc.passes.options import MeasureOptions
from deepnrc.passes.pairing import Pairing
from deepnrc.passes.progress import Progress
from deepnrc.passes.reading import Reading, Shown

__all__ = ["Run"]

Grids = Mapping[str, frozenset[tuple[int, ...]]]
"""Positions of a sample at each layer, by its name: one grid, or several where calls differ."""


class Run:
    """Runs a model on the batches of a loader.

    Attributes:
        evidence: From a part of the first batch; known once a batch was read.
        pairing: How activations become rows; known once a batch was read.
        notes: What should be known of how batches were read.

    Args:
        model: Any module.
        loader: Of batches.
        layers: That are measured.
        options: How.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Any],
        layers: Sequence[WeightLayer],
        options: MeasureOptions,
    ) -> None:
        self._model, self._loader, self._layers = model, loader, layers
        self._options = options
        self._device = _input_device(model, options.device)
        self._by_name = {layer.name: layer for layer in layers}
        self._incoming: Incoming | None = None  # None: what enters layers is passed over
        self.pairing: Pairing | None = None
        self.evidence: BatchEvidence | None = None
        self._masks_seen = False
        self._readings: dict[str, Reading] = {}
        self.notes: tuple[str, ...] = ()
        self._dtype: torch.dtype | None = None  # that inputs are cast to
        self._with_gradients = False  # models such as those of forces differentiate in forward

    def through(
        self,
        feed: Feed,
        *,
        plan: Callable[[Mapping[str, int]], str] | None = None,
        label: str = "measuring",
    ) -> None:
        """Run all batches through a feed; the plan is told of each head's target dimension."""
        options = self._options
        unpack = options.unpack or functools.partial(default_unpack, self._model)
        forward = options.forward or default_forward
        progress = Progress(self._loader, enabled=options.progress, label=label)
        hooks = InputHooks(
            self._layers,
            functools.partial(self._receive, feed),
            functools.partial(self._wants, feed),
        )
        with progress as bar, hooks:
            for batch in self._loader:
                self._incoming = None  # what is looked at is run again to be measured
                inputs, given = _pair(unpack(batch))
                targets = feed.targets(given, _leading_size(inputs))
                samples = _counted(next(iter(targets.values())))
                inputs = to_device(inputs, self._device)
                predict = functools.partial(self._predict, forward, feed, targets)
                first = self.pairing is None
                if samples and (self.pairing is None or self.pairing.wants_another(samples)):
                    self._look(inputs, samples, predict)
                if samples and first:
                    grids = functools.cache(
                        functools.partial(self._grids, predict, inputs, samples)
                    )
                    self._readings = feed.readings(targets, functools.partial(self._shown, grids))
                masks = self._masks(batch, inputs, samples)
                feed.start_batch(targets, masks, self.evidence, self._readings)
                if self.pairing is not None:  # an empty batch shows nothing
                    calls = options.calls
                    self._incoming = Incoming(self.pairing, calls, samples, batch, masks)
                if plan is not None and feed.batches == 1:
                    bar.say(plan({name: one.targets.dim for name, one in feed.passes.items()}))
                feed.end_batch(predict(self._cast(inputs)))
                if self.pairing is not None and self.pairing.missed:
                    self._incoming = None
                    self._trace(inputs, samples, predict)
                bar.advance()

    def _wants(self, feed: Feed, name: str) -> bool:
        if self._incoming is None or self.pairing is None:
            return False
        return feed.wants(name) or self.pairing.unreached(name)

    def _receive(self, feed: Feed, name: str, entering: Entering) -> None:
        """Take in what enters a layer in one call of it."""
        incoming, self._incoming = self._incoming, None  # reduce= may call layers itself
        assert incoming is not None
        try:
            call, key = incoming.call(name, entering)
            if feed.wants(key):
                layer = self._by_name[name]
                feed.take(key, layer, entering, incoming.rows(layer, entering, call))
        finally:
            self._incoming = incoming

    def _predict(
        self,
        forward: Callable[[nn.Module, Any], Any],
        feed: Feed,
        targets: Mapping[str, Any],
        inputs: Any,
    ) -> dict[str, Any]:
        with torch.set_grad_enabled(self._with_gradients):
            return feed.predictions(forward(self._model, inputs), targets)

    def _cast(self, inputs: Any) -> Any:
        return inputs if self._dtype is None else cast_inputs(inputs, self._dtype)

    def _gathered(self, predict: Callable[[Any], Any], inputs: Any, count: int) -> BatchEvidence:
        """Evidence; where torch refuses the inputs' dtype or needs gradients, with these."""

        def gathered() -> BatchEvidence:
            axis = self._options.batch_dim
            return gather(self._layers, predict, self._cast(inputs), count, batch_dim=axis)

        try:
            return gathered()
        except (RuntimeError, ValueError) as error:  # the latter of recurrent networks
            said = str(error)
            dtype = next((p.dtype for p in self._model.parameters() if p.is_floating_point()), None)
            if "require grad" in said:
                self._with_gradients = True
            elif "type" in said and dtype is not None:
                self._dtype = dtype
                self.notes += (f"inputs were cast to {dtype}, the model's own dtype",)
            else:
                raise
        return gathered()

    def _look(self, inputs: Any, samples: int, predict: Callable[[Any], Any]) -> None:
        """Find out from a part of the first batch what the layers are to the predictions."""
        options = self._options
        before, first = self.evidence, self.pairing is None
        with preserved_state(self._model):
            found = self._gathered(predict, inputs, samples)
        self.evidence = found if before is None else found.with_routes(before)
        self.pairing = Pairing(options.reduce, self.evidence, self.pairing)
        if not first:
            return
        ignored = () if options.forward is not None else ignored_keys(self._model, inputs)
        if ignored:
            self.notes += (
                f"the model does not take {', '.join(map(repr, ignored))} of the batches, which "
                "is left out",
            )

    def _masks(self, batch: Any, inputs: Any, samples: int) -> Masks:
        reduce, first = self._options.reduce, not self._masks_seen
        each = reduce != "samples" and not callable(reduce)
        masks = batch_masks(self._options.mask, batch, inputs, samples, each=each)
        if first:
            masks.check(self._by_name)
        if first and masks.unused:
            self.notes += (
                f"the batches hold {', '.join(map(repr, masks.unused))}, which is not used: pass "
                "mask= if it says which positions are padding",
            )
        self._masks_seen = True
        return masks

    def _shown(self, grids: Callable[[], Grids], head: str) -> Shown:
        """What the evidence says of a head's predictions and of the layers before them."""
        assert self.evidence is not None
        evidence = self.evidence
        path = {n: trail for n, trail in evidence.layers.items() if head in trail.serves}
        deepest = max((trail.depth for trail in path.values()), default=0)
        last = [self._by_name[name] for name, trail in path.items() if trail.depth == deepest]
        part = len(evidence.order) or evidence.samples
        seen = [x for trail in path.values() for x in trail.glimpses]
        axes = {size for x in seen if isinstance(x, Glimpse) for size in x.shape}
        axes |= {size // part for size in axes if size % part == 0}  # positions in a flat axis
        returned = evidence.predictions[head]
        known = isinstance(returned, Tensor) and returned.ndim > 0
        return Shown(
            predictions=tuple(returned.shape) if known else None,
            samples=part,
            outputs=len(last[0].weight_matrix()) if len(last) == 1 else None,
            sizes=frozenset(axes),
            grids=lambda: {name: grid for name, grid in grids().items() if name in path},
        )

    def _grids(self, predict: Callable[[Any], Any], inputs: Any, samples: int) -> Grids:
        """Positions of a sample at each layer: from one more forward pass of the first batch."""
        assert self.pairing is not None
        pairing = self.pairing
        found: dict[str, set[tuple[int, ...]]] = {}
        calls: Counter[str] = Counter()

        def entered(name: str, entering: Entering) -> None:
            grid = pairing.grid(self._by_name[name], entering, calls[name], samples)
            calls[name] += 1
            if grid is not None:
                found.setdefault(name, set()).add(grid)

        with preserved_state(self._model), InputHooks(self._layers, entered):
            predict(samples_from(self._cast(inputs), 0, samples))
        return {name: frozenset(grids) for name, grids in found.items()}

    def _trace(self, inputs: Any, samples: int, predict: Callable[[Any], Any]) -> None:
        """See what the predictions for a batch depend on, whose samples took other routes."""
        assert self.pairing is not None
        assert self.evidence is not None
        with preserved_state(self._model):
            found = routes(self._layers, predict, self._cast(inputs), samples)
        self.evidence = self.evidence.with_routes(found)
        self.pairing.take_routes(self.evidence)


def _counted(targets: Any) -> int:
    try:
        return len(targets)
    except TypeError as error:  # a number, or a tensor without axes
        raise DataError(
            f"targets of a batch must have an axis of samples; got a {type(targets).__name__} "
            "without one: where these are single samples, pass a DataLoader of them"
        ) from error


def _pair(unpacked: Any) -> tuple[Any, Any]:
    if isinstance(unpacked, tuple | list) and len(unpacked) == 2:
        return unpacked[0], unpacked[1]
    got = f"a {type(unpacked).__name__}"
    if isinstance(unpacked, Tensor):
        got += f" of shape {tuple(unpacked.shape)}"
    raise DataError(f"unpack must return (inputs, targets); got {got}: return a pair")


def _leading_size(inputs: Any) -> int | None:
    """Size of the first axis of the first tensor among the inputs."""
    tensors = (x for x in tree_leaves(inputs) if isinstance(x, Tensor | np.ndarray) and x.ndim)
    first = next(tensors, None)
    if first is None:
        return None
    # A nested tensor has a size along its first axis, and no shape.
    return int(first.size(0)) if isinstance(first, Tensor) else len(first)


def _input_device(model: nn.Module, device: torch.device | str | None) -> torch.device:
    # Offloaded parameters wait on the meta device: no place to send inputs to.
    devices = (p.device for p in model.parameters() if p.device.type != "meta")
    own = next(devices, torch.device("cpu"))
    if device is None:
        return own
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise ArgumentError(
            f"device={device!r} is none that torch knows, such as 'cpu' or 'cuda:0'"
        ) from None
    if wanted.type != own.type or (wanted.index is not None and wanted.index != own.index):
        raise ArgumentError(
            f"device is {str(wanted)!r} but the model is on {str(own)!r}: move it first with "
            f"model.to({str(wanted)!r}); measure never moves a model"
        )
    return own
