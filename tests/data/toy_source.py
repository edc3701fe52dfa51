"""A data set that is quickly built, as a file or a folder; each build leaves a line in a log."""

import os
import time
from pathlib import Path

import torch

from deepnrc.data.access.cache import load_tensors, save_tensors
from deepnrc.data.source import RawData, Source


def _tensors(request):
    generator = torch.Generator().manual_seed(request.seed)
    return {
        "inputs": torch.randn(request.samples, 3, generator=generator),
        "targets": torch.randn(request.samples, 2, generator=generator),
    }


def _log(request):
    with Path(os.environ["TOY_LOG"]).open("a") as file:
        file.write(f"{request.samples} {request.seed} {request.seconds}\n")


def build_file(path, request):
    assert not path.exists()
    request.say("toy: building")
    _log(request)
    signal = os.environ.get("TOY_WAITS_FOR")
    while signal and not Path(signal).exists():
        time.sleep(0.02)
    save_tensors(path, _tensors(request), {"data": "toy", "made_from": "numbers drawn"})


def build_folder(path, request):
    assert not path.exists()
    _log(request)
    for name, tensor in _tensors(request).items():
        save_tensors(path / "below" / name, {name: tensor}, {})
    if os.environ.get("TOY_FAILS"):
        raise OSError("no space left")


def _raw(name, tensors):
    facts = {"data": name, "made_from": "numbers drawn"}
    return RawData(tensors["inputs"], tensors["targets"], ("a", "b", "c"), ("y", "z"), facts)


def read_file(path, *, only=None):
    raw = _raw("toy", load_tensors(path, rebuild="make toys")[0])
    return raw if only is None else _raw(only, {"inputs": raw.inputs, "targets": raw.targets})


def read_folder(path):
    names = ("inputs", "targets")
    return _raw(
        "toys", {n: load_tensors(path / "below" / n, rebuild="make toys")[0][n] for n in names}
    )


def _source(name, build, read, **more):
    return Source(
        name=name,
        summary="A toy. It is small",
        origin="a toy shop",
        licence="none",
        targets=("y", "z"),
        default_samples=20,
        build=build,
        read_built=read,
        **more,
    )


SOURCES = (
    _source("toy", build_file, read_file, options={"only": "its name"}, read_real=read_file),
    _source("toys", build_folder, read_folder),
)
