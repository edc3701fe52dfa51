"""Moments of every layer's features and the targets, in as few passes over a loader as they need.

Also the weights as they are, the model's own error and what was left out, so that every metric
can be computed afterwards without the data.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from deepnrc.activations.batches import default_forward, default_unpack, to_device
from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.layers import Skipped, WeightLayer, find_layers
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.errors import ArgumentError, DataError, LayerError
from deepnrc.metrics.view import Undefined
from deepnrc.passes.collection import Collection, LayerCollection
from deepnrc.passes.layer_statistics import (
    CentredUnitRows,
    ClassSpread,
    JointMoments,
    MomentsByClass,
    RawUnitRows,
)
from deepnrc.passes.model_error import CorrectDecisions, SquaredErrors
from deepnrc.passes.options import MeasureOptions, takes_options
from deepnrc.passes.plan import plan_text, state_bound
from deepnrc.passes.progress import Progress
from deepnrc.passes.single_pass import Pass
from deepnrc.passes.statistic import Statistic, stages

__all__ = ["collect", "collect_with"]

_NOT_A_REGRESSION = Undefined(
    "scores of classes are no predictions of the one-hot targets (if they are, measure them with "
    "task='regression')"
)


@takes_options
def collect(model: nn.Module, loader: Iterable[Any], **options: Any) -> Collection:
    """All that is needed of the data, for `deepnrc.evaluate`; errors as of `deepnrc.measure`.

    Args:
        model: Any module with linear layers or convolutions, on any device, of any real dtype.
        loader: Yields (inputs, targets).
        options: See `MeasureOptions`.

    Returns:
        Moments of every layer, and what else the metrics need.
    """
    return collect_with(model, loader, MeasureOptions.of(options))


def collect_with(model: nn.Module, loader: Iterable[Any], options: MeasureOptions) -> Collection:
    """`collect` with the options in one record."""
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    if not isinstance(loader, Iterable):
        raise ArgumentError(
            "loader must be an iterable of (inputs, targets), a DataLoader or a list of batches; "
            f"got {type(loader).__name__}"
        )
    statistics = _statistics(options)
    first, *further = stages(statistics)
    if further and isinstance(loader, Iterator):
        classify = options.task == "classification"
        what = "task='classification'" if classify else f"last_layer={options.last_layer!r}"
        raise ArgumentError(
            f"{what} takes two passes over the loader, but a {type(loader).__name__} can be read "
            "only once: pass a DataLoader or a list of batches"
        )
    model = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    device = _input_device(model, options.device)
    with preserved_state(model, loader):  # even reading a spectral-normed weight may change it
        layers, skipped = find_layers(model, options.layers)
        plan = functools.partial(plan_text, layers, skipped, statistics)
        run = _Run(model, loader, device, layers, options)
        summed = run.through(Pass(layers, first, options), plan=plan)
        bound = state_bound(layers, statistics, summed.targets.dim)
        collection = _collected(summed, type(model).__name__, run, skipped, bound)
    for stage in further:
        with preserved_state(model, loader):  # anew: random states are again those of the first
            before = {layer.name: layer for layer in collection.layers if layer.rows}
            last = collection.output_layer
            summed = Pass(
                layers,
                stage,
                _with_classes(options, collection),
                before=before,
                last=None if last is None else last.name,
            )
            added = {x.name: x for x in run.through(summed, label="measuring again").layers()}
        for name, layer in before.items():
            if name not in summed.without_sums:
                _check_rows(layer, added.get(name))
        both = tuple(added.get(layer.name, layer) for layer in collection.layers)
        collection = replace(collection, layers=both)
    return collection


def _statistics(options: MeasureOptions) -> list[Statistic]:
    """All that the options ask for, each after what it needs."""
    found: list[Statistic] = [JointMoments(options.precision)]
    if options.task == "classification":
        found += [MomentsByClass(), ClassSpread(), CorrectDecisions()]
    else:
        found.append(SquaredErrors())
    if options.last_layer is not None:
        found.append(RawUnitRows() if options.last_layer == "paper2024" else CentredUnitRows())
    return found


@dataclass(frozen=True)
class _Run:
    """A model, and the loader whose batches it is run on."""

    model: nn.Module
    loader: Iterable[Any]
    device: torch.device
    layers: Sequence[WeightLayer]
    options: MeasureOptions

    def through(
        self,
        one: Pass,
        *,
        plan: Callable[[int], str] | None = None,
        label: str = "measuring",
    ) -> Pass:
        """Run all batches through a pass; the plan is told of the target dimension."""
        unpack = self.options.unpack or default_unpack
        forward = self.options.forward or default_forward
        modules = {layer.name: layer.module for layer in self.layers}
        progress = Progress(self.loader, enabled=self.options.progress, label=label)
        with progress as bar, InputHooks(modules, one.receive):
            for batch in self.loader:
                inputs, targets = unpack(batch)
                inputs = to_device(inputs, self.device)
                predict = functools.partial(forward, self.model, inputs)
                if one.targets.needs_classes:
                    one.paused = True  # this forward pass is run again to be measured
                    one.targets.find_classes(targets, predict)
                    one.paused = False
                one.start_batch(targets)
                if plan is not None and one.targets.batches == 1:
                    bar.say(plan(one.targets.dim))
                one.end_batch(predict())
                bar.advance()
        return one


def _collected(
    first: Pass, model: str, run: _Run, skipped: tuple[Skipped, ...], bound: int
) -> Collection:
    targets, called = first.targets.moments(), first.layers()
    if not called:
        raise LayerError(
            f"no layer of {model} was called during the pass: it computes with its weights "
            "directly (a fused or exported graph); measure the original module"
        )
    names = {layer.name for layer in called}
    unseen = [LayerCollection.unseen(layer) for layer in run.layers if layer.name not in names]
    classify = run.options.task == "classification"
    return Collection(
        model=model,
        layers=(*called, *unseen),
        targets=targets,
        batches=first.targets.batches,
        squared_errors=_NOT_A_REGRESSION if classify else first.output("squared_errors"),
        correct=first.output("correct") if classify else None,
        skipped=skipped,
        state_bytes=bound,
        options=run.options,
    )


def _with_classes(options: MeasureOptions, collection: Collection) -> MeasureOptions:
    """The options of a later pass: how many classes there are is known by then."""
    if options.task == "regression":
        return options
    return replace(options, classes=collection.targets.target_dim)


def _check_rows(before: LayerCollection, now: LayerCollection | None) -> None:
    got = 0 if now is None else now.rows
    if got != before.rows:
        raise DataError(
            f"the loader gave layer '{before.name}' {before.rows} rows in the first pass and "
            f"{got} in the second: it must yield the same samples each time it is read"
        )


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
