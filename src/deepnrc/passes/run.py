"""A model and a loader, and how their batches go through a pass."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepnrc.activations.batches import cast_inputs, default_forward, default_unpack, to_device
from deepnrc.activations.evidence.gather import BatchEvidence, gather
from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.layers import WeightLayer
from deepnrc.activations.masks import batch_mask, unused_masks
from deepnrc.activations.outputs import select_output
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import ArgumentError, DataError
from deepnrc.passes.options import MeasureOptions
from deepnrc.passes.pairing import Pairing
from deepnrc.passes.progress import Progress
from deepnrc.passes.single_pass import Pass

__all__ = ["Run"]


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
        self.pairing: Pairing | None = None
        self.evidence: BatchEvidence | None = None
        self.notes: tuple[str, ...] = ()
        self._dtype: torch.dtype | None = None  # that inputs are cast to
        self._with_gradients = False  # models such as those of forces differentiate in forward

    def through(
        self, one: Pass, *, plan: Callable[[int], str] | None = None, label: str = "measuring"
    ) -> Pass:
        """Run all batches through a pass; the plan is told of the target dimension."""
        options = self._options
        unpack, forward = options.unpack or default_unpack, options.forward or default_forward
        modules = {layer.name: layer.module for layer in self._layers}
        progress = Progress(self._loader, enabled=options.progress, label=label)
        with progress as bar, InputHooks(modules, one.receive):
            for batch in self._loader:
                inputs, targets = _pair(unpack(batch))
                inputs = to_device(inputs, self._device)
                predict = functools.partial(self._predict, forward)
                if self.pairing is None and len(targets) > 0:
                    one.paused = True  # what is looked at here is run again to be measured
                    self._look(batch, inputs, targets, predict)
                    one.paused = False
                one.paused = self.pairing is None  # an empty batch shows nothing
                if self.pairing is not None:
                    one.use(self.pairing)
                if one.targets.needs_classes and self.evidence is not None:
                    one.targets.find_classes(targets, self.evidence.predictions)
                one.start_batch(targets, batch, batch_mask(options.mask, batch, inputs))
                if plan is not None and one.targets.batches == 1:
                    bar.say(plan(one.targets.dim))
                one.end_batch(predict(self._cast(inputs)))
                bar.advance()
        return one

    def _predict(self, forward: Callable[[nn.Module, Any], Any], inputs: Any) -> Any:
        with torch.set_grad_enabled(self._with_gradients):
            return select_output(self._options.output, forward(self._model, inputs))

    def _cast(self, inputs: Any) -> Any:
        return inputs if self._dtype is None else cast_inputs(inputs, self._dtype)

    def _gathered(self, predict: Callable[[Any], Any], inputs: Any, targets: Any) -> BatchEvidence:
        """Evidence; where torch refuses the inputs' dtype or needs gradients, with these."""

        def gathered() -> BatchEvidence:
            count, axis = len(targets), self._options.batch_dim
            return gather(self._layers, predict, self._cast(inputs), count, batch_dim=axis)

        try:
            return gathered()
        except RuntimeError as error:
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

    def _look(self, batch: Any, inputs: Any, targets: Any, predict: Callable[[Any], Any]) -> None:
        """Find out from a part of the first batch what the layers are to the predictions."""
        options = self._options
        with preserved_state(self._model):
            self.evidence = self._gathered(predict, inputs, targets)
        self.pairing = Pairing(options.reduce, self.evidence)
        unused = unused_masks(options.mask, batch, inputs)
        if unused:
            self.notes += (
                f"the batches hold {', '.join(map(repr, unused))}, which is not used: pass mask= "
                "if it says which positions are padding",
            )


def _pair(unpacked: Any) -> tuple[Any, Any]:
    if isinstance(unpacked, tuple | list) and len(unpacked) == 2:
        return unpacked[0], unpacked[1]
    got = f"a {type(unpacked).__name__}"
    if isinstance(unpacked, Tensor):
        got += f" of shape {tuple(unpacked.shape)}"
    raise DataError(f"unpack must return (inputs, targets); got {got}: return a pair")


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
