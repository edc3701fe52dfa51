"""Moments of every layer's features and the targets, in one pass over a loader.

Also the weights as they are, the model's own error and what was left out, so that every metric
can be computed afterwards without the data. What needs means first takes a second pass.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from deepnrc.activations.batches import Forward, Unpack, default_forward, default_unpack, to_device
from deepnrc.activations.input_hooks import InputHooks
from deepnrc.activations.labels import check_classes
from deepnrc.activations.layers import LayerSelector, Skipped, WeightLayer, find_layers
from deepnrc.activations.preserved_state import preserved_state
from deepnrc.activations.rows import Reduce, check_reduce
from deepnrc.errors import ArgumentError
from deepnrc.moments.accumulator import state_bytes
from deepnrc.passes.collection import Collection
from deepnrc.passes.first_pass import FirstPass
from deepnrc.passes.progress import Progress
from deepnrc.passes.second_pass import SecondPass

__all__ = ["collect"]


def collect(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: LayerSelector = None,
    reduce: Reduce = "mean",
    task: str = "regression",
    classes: int | None = None,
    last_layer: str | None = None,
    forward: Forward | None = None,
    unpack: Unpack | None = None,
    device: torch.device | str | None = None,
    precision: str = "mixed",
    progress: bool = True,
) -> Collection:
    """Moments of every selected layer; arguments and errors as in `measure`."""
    check_reduce(reduce)
    check_classes(task, classes)
    if precision not in ("mixed", "double"):
        raise ArgumentError(f"precision must be 'mixed' or 'double'; got {precision!r}")
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    if not isinstance(loader, Iterable):
        raise ArgumentError(
            "loader must be an iterable of (inputs, targets), a DataLoader or a list of batches; "
            f"got {type(loader).__name__}"
        )
    _check_last_layer(last_layer, task)
    _check_passes(loader, task, last_layer)
    model = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    target_device = _input_device(model, device)
    unpack, forward = unpack or default_unpack, forward or default_forward
    with preserved_state(model, loader):  # even reading a spectral-normed weight may change it
        found, skipped = find_layers(model, layers)
        run = FirstPass(
            found,
            reduce=reduce,
            precision=precision,
            task=task,
            classes=classes,
            last_layer=last_layer,
        )
        modules = {layer.name: layer.module for layer in found}
        with Progress(loader, enabled=progress) as bar, InputHooks(modules, run.receive):
            for batch in loader:
                inputs, targets = unpack(batch)
                inputs = to_device(inputs, target_device)
                if run.needs_classes:
                    run.find_classes(targets, functools.partial(forward, model, inputs))
                run.start_batch(targets)
                if run.batches == 0:
                    bar.say(plan_text(found, skipped, run.target_dim, extra_bytes=run.extra_bytes))
                run.end_batch(forward(model, inputs))
                bar.advance()
        collection = run.finish(type(model).__name__, skipped)
    if task == "regression" and last_layer != "centred":
        return collection
    second = SecondPass(found, collection, reduce=reduce)
    modules = {name: modules[name] for name in second.names}
    with (
        preserved_state(model, loader),  # anew: random states are again those of the first pass
        Progress(loader, enabled=progress, label="measuring again") as bar,
        InputHooks(modules, second.receive),
    ):
        for batch in loader:
            inputs, targets = unpack(batch)
            second.start_batch(targets)
            second.end_batch(forward(model, to_device(inputs, target_device)))
            bar.advance()
    return second.finish()


def _check_last_layer(last_layer: str | None, task: str) -> None:
    if last_layer not in (None, "paper2024", "centred"):
        raise ArgumentError(
            f"last_layer must be 'paper2024', 'centred' or None; got {last_layer!r}"
        )
    if last_layer is not None and task == "classification":
        raise ArgumentError(
            f"last_layer={last_layer!r} measures regression; with task='classification' leave it "
            "out"
        )


def _check_passes(loader: Iterable[Any], task: str, last_layer: str | None) -> None:
    if isinstance(loader, Iterator) and (task == "classification" or last_layer == "centred"):
        what = "task='classification'" if task == "classification" else "last_layer='centred'"
        raise ArgumentError(
            f"{what} takes two passes over the loader, but a {type(loader).__name__} can be read "
            "only once: pass a DataLoader or a list of batches"
        )


def plan_text(
    layers: Iterable[WeightLayer],
    skipped: Iterable[Skipped],
    target_dim: int,
    *,
    extra_bytes: int = 0,
) -> str:
    """What a pass will measure and hold: layers, bytes, and what it leaves out and why."""
    layers = list(layers)
    size = state_bytes((layer.feature_dim for layer in layers), target_dim) + extra_bytes
    text = (
        f"measuring {_counted(len(layers), 'layer')} against "
        f"{_counted(target_dim, 'target dimension')}; "
        f"at most {size / 2**20:.1f} MiB of state, whatever the number of samples"
    )
    return "\n".join([text, *(f"  leaving out {x.name}: {x.reason}" for x in skipped)])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


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
