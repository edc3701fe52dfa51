"""Run a model for measurement and leave model, loader and random state as they were."""

import contextlib
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from deepnrc.activations.kept_contents import contents_kept

__all__ = ["calls_undone", "preserved_state"]

_FUSED_LOCK = threading.Lock()
_FUSED: list[bool] = []  # how the switch stood before; once for each measurement under way


@contextlib.contextmanager
def preserved_state(model: nn.Module, loader: object = None) -> Iterator[list[str]]:
    """Run with evaluation mode, no gradients and no compiled graphs, and restore the state.

    Restored, also after an exception or an interruption: the training flag of each module, every
    buffer (batch-norm statistics) bit for bit, attributes that the forward pass set and what they
    hold, and the random state of torch, NumPy, Python, the devices in use and the loader's own
    generator. Compiled parts of the model and fused transformer layers run eagerly, as they call
    no hooks.

    Gives a list that names, at the end, what was changed and is too large to be put back.
    """
    with (
        _random_state_kept(model, loader),
        _evaluating(model),
        contents_kept(model) as changed,
        _attributes_kept(model),
        _buffers_kept(model),
        torch.no_grad(),
        _eagerly(),
    ):
        yield changed


@contextlib.contextmanager
def calls_undone(module: nn.Module) -> Iterator[None]:
    """Restore what calls of a module may change: buffers, attributes and random states."""
    with (
        _random_state_kept(module, None),
        contents_kept(module),
        _attributes_kept(module),
        _buffers_kept(module),
    ):
        yield


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in flags:
            # A module's own train() may do more, such as merge weights; it must undo that too.
            if module.training != training and type(module).train is not nn.Module.train:
                module.train(training)
        for module, training in flags:
            module.training = training


@contextlib.contextmanager
def _attributes_kept(model: nn.Module) -> Iterator[None]:
    """Plain attributes: a cache restored without its length would break the next forward."""
    before = [(vars(module), dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for attributes, values in before:
            _put_back(attributes, values)


@contextlib.contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    before = [(module._buffers, dict(module._buffers.items())) for module in model.modules()]
    contents = [
        (buffer, buffer.detach().clone())
        for _, buffers in before
        for buffer in buffers.values()
        if buffer is not None and not is_lazy(buffer)
    ]
    try:
        yield
    finally:
        for buffers, values in before:
            _put_back(buffers, values)
        for buffer, content in contents:
            _restore(buffer, content)


def _put_back(current: Any, before: dict[str, Any]) -> None:
    for name in current.keys() - before.keys():
        del current[name]
    for name, value in before.items():
        if name not in current or current[name] is not value:
            current[name] = value


def _restore(buffer: Tensor, content: Tensor) -> None:
    if buffer.shape != content.shape or buffer.dtype != content.dtype:
        buffer.data = content
    elif not torch.equal(buffer, content):  # a copy would change its autograd version in vain
        with torch.no_grad():
            buffer.copy_(content)


@contextlib.contextmanager
def _random_state_kept(model: nn.Module, loader: object) -> Iterator[None]:
    generators = [(generator, generator.get_state()) for generator in _loader_generators(loader)]
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    device_states = []
    for device in devices:
        backend = getattr(torch, device.type, None)
        if device.type not in ("cpu", "meta") and backend is not None:
            where = () if device.type == "mps" else (device,)  # there is only one MPS device
            device_states.append((backend, where, backend.get_rng_state(*where)))
    torch_state = torch.get_rng_state()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        torch.set_rng_state(torch_state)
        for backend, where, state in device_states:
            backend.set_rng_state(state, *where)
        for generator, state in generators:
            generator.set_state(state)


@contextlib.contextmanager
def _eagerly() -> Iterator[None]:
    with _unfused(), _uncompiled():
        yield


@contextlib.contextmanager
def _unfused() -> Iterator[None]:
    """Without fused transformer layers, as long as any thread needs that: the switch is global."""
    with _FUSED_LOCK:
        if not _FUSED:
            _FUSED.append(torch.backends.mha.get_fastpath_enabled())
            torch.backends.mha.set_fastpath_enabled(False)
        else:
            _FUSED.append(_FUSED[-1])
    try:
        yield
    finally:
        with _FUSED_LOCK:
            before = _FUSED.pop()
            if not _FUSED:
                torch.backends.mha.set_fastpath_enabled(before)


def _uncompiled() -> contextlib.AbstractContextManager[object]:
    """Eager mode if the compiler is imported: to import it here would take a second or more."""
    if "torch._dynamo" in sys.modules:
        stance: contextlib.AbstractContextManager[object]
        stance = torch.compiler.set_stance("force_eager")
        return stance
    return contextlib.nullcontext()


def _loader_generators(loader: object) -> list[torch.Generator]:
    """Generators of a DataLoader and its samplers; measuring must not change the next epoch."""
    owners = [loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
    owners.append(getattr(owners[-1], "sampler", None))
    found = [getattr(owner, "generator", None) for owner in owners]
    unique = {id(g): g for g in found if isinstance(g, torch.Generator)}
    return list(unique.values())
