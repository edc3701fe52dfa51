"""A folder with a module of models and data, to be named on the command line."""

import sys

import pytest

MODELS = """
import torch
from torch import nn

calls = []


def make():
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 3, generator=generator)
    return [(inputs, inputs[:, :2] - inputs[:, 2:])]


def low_rank():
    [(inputs, _)] = data()
    return [(inputs, inputs[:, :1].repeat(1, 2))]


def labelled():
    [(inputs, targets)] = data()
    return [(inputs, (inputs[:, 0] > 0).long())]


def spoiled():
    [(inputs, targets)] = data()
    return [(inputs * float("nan"), targets)]


def broken():
    raise RuntimeError("no camera")


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.mean, self.scale = nn.Linear(3, 8), nn.Linear(8, 2), nn.Linear(8, 2)

    def forward(self, x):
        hidden = self.body(x).relu()
        return {"scale": self.scale(hidden.mean(1)), "mean": self.mean(hidden.mean(1))}


def tokens():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 5, 3, generator=generator)
    return [{"state": inputs, "action": inputs[:, 0, :2], "valid": torch.ones(60, 5)}]


def pair(batch):
    return batch["state"], batch["action"]


def run(model, inputs):
    return model(inputs)["mean"]


def heads(batch):
    return batch["state"], {"mean": batch["action"], "spread": batch["action"] ** 2}


def scale(returned):
    return returned["scale"]


def last_step(name, activation):
    return activation[:, -1] if activation.ndim == 3 else activation


ready, both = make(), Tokens()
number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    name = f"models_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path, name
    sys.modules.pop(name, None)
