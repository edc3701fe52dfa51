"""Networks from outside the package: in an experiment file, trained, and opened again."""

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from deepnrc.cli.app import app
from deepnrc.errors import ArgumentError
from deepnrc.models import register
from deepnrc.models.registry import NETWORKS
from deepnrc.training.runs.saved_run import load_run
from helpers import small_run


@pytest.fixture
def added():
    """The decorator, whose additions are taken back."""
    names = []
    yield lambda name: names.append(name) or register(name)
    for name in names:
        NETWORKS.unregister(name)


def deepnrc(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def experiment(path, model):
    path.write_text(small_run(2).replace("width = 6\ndepth = 2\n", model))
    return path


def test_a_network_registered_in_python(tmp_path, added):
    @added("branches")
    class Branches(nn.Module):
        def __init__(self, sample_shape, target_dim, *, width: int, scale: float = 1.0):
            super().__init__()
            self.one = nn.Linear(sample_shape[0], width)
            self.two = nn.Linear(width, target_dim)
            self.scale = scale

        def forward(self, x):
            return self.two(torch.tanh(self.one(x))) * self.scale

    assert NETWORKS.names()[-1] == "branches"
    file = experiment(tmp_path / "mine.toml", "kind = 'branches'\nwidth = 5\n")
    shown = deepnrc("train", file, "--set", "model.scale=2", "--out", tmp_path / "run")
    assert "\nbranches of 165 parameters, 2 epochs" in shown  # 20·5 + 5 + 5·10 + 10
    config = (tmp_path / "run" / "config.toml").read_text()
    assert '[model]\nkind = "branches"\nwidth = 5\nscale = 2.0\n' in config
    opened = load_run(tmp_path / "run")
    assert (type(opened.model), opened.model.scale) == (Branches, 2.0)
    assert deepnrc("measure", tmp_path / "run").startswith("Branches: 48 samples")


def test_a_network_offered_by_a_package(tmp_path, installed):
    installed(
        "their_networks",
        "from torch import nn\n"
        "def straight(sample_shape, target_dim, *, bias: bool = True):\n"
        "    return nn.Sequential(nn.Linear(sample_shape[0], target_dim, bias=bias))\n",
        "[deepnrc.models]\nstraight = their_networks:straight\n",
    )
    file = experiment(tmp_path / "mine.toml", "kind = 'straight'\nbias = false\n")
    shown = deepnrc("train", file, "--out", tmp_path / "run")
    assert "\nstraight of 200 parameters" in shown
    assert deepnrc("measure", tmp_path / "run").startswith("Sequential: 48 samples")


def test_a_name_is_given_once(added):
    with pytest.raises(ArgumentError, match="there is a model 'mlp' already: choose another name"):
        added("mlp")(lambda sample_shape, target_dim: nn.Identity())
