"""Shared by many tests: seeded data and models, small runs, the state that a pass could change."""

import contextlib
import os
import pty
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import torch
from torch import nn

import deepnrc
from reference import rows as twin

CONVOLUTIONS = [
    nn.Conv1d(6, 9, 3, groups=3),
    nn.Conv1d(6, 4, 3, padding=1, bias=False),
    nn.Conv2d(4, 6, (3, 2), groups=2),
    nn.Conv2d(3, 5, 1),
    nn.Conv2d(4, 4, 3, groups=4),  # depthwise
    nn.Conv3d(2, 3, (1, 2, 3)),
    nn.ConvTranspose1d(6, 9, 3, groups=3),
    nn.ConvTranspose2d(4, 6, (2, 3), groups=2, bias=False),
    nn.ConvTranspose2d(3, 5, 2),
    nn.ConvTranspose3d(2, 4, (1, 2, 2), groups=2),
]
HOOKS = sorted(name for name in vars(nn.Module()) if "hook" in name)


@contextlib.contextmanager
def seeded(seed=0):
    """Seed torch's global generator, and restore it afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def regression_data(n=40, d=8, t=2, *, shape=(), seed=0):
    """Random inputs n × shape × d and targets n × t."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, *shape, d, generator=generator)
    return inputs, torch.randn(n, t, generator=generator)


def classes_data(n=120, d=8, C=4, *, shape=(), seed=0):
    """Inputs about C centres, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(C), torch.randint(C, (n - C,), generator=generator)])
    centres = 2 * torch.randn(C, d, generator=generator)
    noise = torch.randn(n, *shape, d, generator=generator)
    return noise + centres[labels].reshape(n, *(1,) * len(shape), d), labels


def in_batches(*tensors, size=16):
    """The tensors in batches: a list of tuples, of which the last may be shorter."""
    return [
        tuple(tensor[start : start + size] for tensor in tensors)
        for start in range(0, len(tensors[0]), size)
    ]


class Branched(nn.Module):
    """Three weight layers, "encoder.first", "encoder.conv" and "head"; a ReLU under two names."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"first": nn.Linear(8, 8), "conv": nn.Conv1d(8, 8, 1)})
        self.relu = nn.ReLU()
        self.head = nn.Linear(8, 2)
        self.again = self.relu


def small_network(d=8, width=16, t=2, *, seed=0):
    """Two linear layers, "0" and "2", with a ReLU between them."""
    with seeded(seed):
        return nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.Linear(width, t))


def quiet(model, loader, **options):
    """`deepnrc.collect` without a progress bar."""
    return deepnrc.collect(model, loader, progress=False, **options)


def layer_of(collection, name):
    """The layer of a collection that has this name."""
    return next(layer for layer in collection.layers if layer.name == name)


def activations(model, name, inputs, *, forward=None):
    """Inputs of a module, one per call, when the model runs in evaluation mode."""
    seen = []
    module = dict(model.named_modules(remove_duplicate=False))[name]
    handle = module.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        forward(model, inputs) if forward else model(inputs)
    handle.remove()
    for module, flag in flags:
        module.training = flag
    return seen


def assert_moments(layer, features, targets, *, rtol=1e-10):
    """Check the layer's moments against those of these rows, computed densely in float64."""
    h, y = np.asarray(features, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    assert layer.moments.count == layer.rows == len(h)
    h_c, y_c = h - h.mean(0), y - y.mean(0)
    scale = max(float(np.abs(h).max()) ** 2, 1e-300)
    for got, expected in (
        (layer.moments.feature_mean, h.mean(0)),
        (layer.moments.feature_covariance, h_c.T @ h_c / len(h)),
        (layer.moments.cross_covariance, h_c.T @ y_c / len(h)),
    ):
        np.testing.assert_allclose(got.numpy(), expected, rtol=rtol, atol=rtol * scale)


def mean_rows(activation):
    """One row per sample: the mean over positions, by the twin."""
    return twin.linear_rows(activation, "mean")


def fingerprint(model):
    """Everything in a model that measuring could change, as comparable values."""
    return {
        "hooks": [
            {name: list(getattr(module, name).items()) for name in HOOKS if _is_dict(module, name)}
            for module in model.modules()
        ],
        "training": [(name, module.training) for name, module in model.named_modules()],
        "buffers": [(name, id(b), _bits(b)) for name, b in model.named_buffers()],
        "parameters": [
            (name, id(p), _bits(p), p.requires_grad, id(p.grad), _bits(p.grad))
            for name, p in model.named_parameters()
        ],
        "attributes": [
            {name: id(value) for name, value in vars(module).items()} for module in model.modules()
        ],
    }


def random_state():
    """State of torch's and NumPy's global generators, as comparable values.

    Not Python's: beartype, which checks deepnrc's types under pytest, draws from it.
    """
    kind, keys, *rest = np.random.get_state()
    return _bits(torch.get_rng_state()), kind, keys.tobytes(), rest


def in_plain_python(code):
    """Standard output of code run by a fresh Python without pytest's import hooks.

    Warnings are errors there.
    """
    paths = [str(Path(deepnrc.__file__).parents[1]), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _is_dict(module, name):
    return hasattr(getattr(module, name), "items")


def _bits(tensor):
    if tensor is None:
        return None
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def on_a_terminal(*arguments, cwd):
    """What ``deepnrc`` shows on a terminal 120 columns wide; the command must succeed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "deepnrc.cli", *arguments],
        stdout=follower,
        stderr=follower,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # on Linux, the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    assert process.wait(timeout=60) == 0
    return shown.decode()


def small_run(*epochs):
    """TOML of a short run of two epochs, measured at the given ones."""
    return f"""
[data]
name = "synthetic"
samples = 60
[model]
width = 6
depth = 2
[training]
epochs = 2
lr = 0.05
batch_size = 16
[measure]
epochs = {list(epochs)}
"""


def small_experiment(seed=0, *, model=None, measure=None, data=None, **training):
    """Configuration of a run of milliseconds on synthetic data, with some settings replaced."""
    from deepnrc.training.config import ExperimentConfig, TrainingConfig

    training = {"epochs": 6, "lr": 0.05, "weight_decay": 1e-3, "batch_size": 16, **training}
    return ExperimentConfig(
        name="small",
        seed=seed,
        data={"name": "synthetic", "samples": 100, **(data or {})},
        model={"width": 8, "depth": 3, **(model or {})},
        training=TrainingConfig(**training),
        measure=measure or {"epochs": [0, 2, 4, 6]},
    )


def run_contents(path):
    """Bytes of a run's files by path, without the files that differ between equal runs."""
    other = {"environment.json", "sessions.jsonl", ".lock"}
    files = (file for file in path.rglob("*") if file.is_file() and file.name not in other)
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@contextlib.contextmanager
def file_size_limit(size):
    """No file can grow beyond some bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
