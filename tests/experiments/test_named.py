"""The named experiments are the papers' settings, and each is valid."""

import os

import pytest
from typer.testing import CliRunner

from deepnrc.cli.app import app
from deepnrc.data import dataset_names
from deepnrc.errors import ArgumentError, FileError
from deepnrc.experiments import experiment_names, find_experiment, register
from deepnrc.experiments.named import _EXPERIMENTS
from helpers import small_run

TABLE_2 = {  # [RU26, Table 2]: lr, weight decay, epochs, batch, width or network, samples
    "swimmer": (0.1, 5e-3, 1000, 128, 256, 1000),
    "reacher": (0.05, 1e-4, 1000, 128, 512, 1000),
    "hopper": (0.1, 1e-3, 1000, 128, 256, 5000),
    "sgemm": (0.005, 1e-3, 200, 128, 512, None),
    "carla2d": (0.01, 5e-3, 250, 128, "resnet18", None),
    "utkface": (0.001, 5e-4, 100, 512, "resnet34", None),
}


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2(name):
    lr, decay, epochs, batch, network, samples = TABLE_2[name]
    config = find_experiment(name)
    training, model = config.training, config.model
    assert (training.lr, training.weight_decay) == (lr, decay)
    assert (training.epochs, training.batch_size) == (epochs, batch)
    assert config.data.samples == samples
    if isinstance(network, str):
        assert model.kind == network
    else:
        assert (model.kind, model.width, model.depth) == ("mlp", network, 8)


@pytest.mark.parametrize("name", experiment_names())
def test_what_all_have_in_common(name):
    """MSE by SGD with momentum .9, ×.1 at a third and two thirds, decay on every parameter."""
    config = find_experiment(name)
    training = config.training
    assert (training.optimizer, training.momentum, training.decay) == ("sgd", None, "all")
    assert (training.schedule, training.milestones, training.gamma) == ("multistep", None, None)
    assert (config.data.split_seed, config.data.test_fraction) == (42, 0.2)
    assert config.name == name
    assert config.data.name in dataset_names()
    if config.model.kind == "mlp":
        model = config.model
        own = {"ufm": "tanh"}  # no experiment of [RU26]
        assert (model.bias, model.norm) == (False, "none")
        assert model.activation == own.get(name, "relu")


def test_every_data_set_with_a_name_of_its_own_has_an_experiment():
    assert {*dataset_names()} - {"tabular"} <= {*experiment_names()}
    assert experiment_names() == tuple(sorted(experiment_names()))


def test_figure_3s_teacher_and_network():
    config = find_experiment("synthetic")
    assert config.data.options == {"rank": 2, "target_dim": 10}
    assert (config.model.width, config.model.depth, config.data.samples) == (1024, 10, 10000)
    assert find_experiment("linear").data.options["teacher"] == "linear"


def test_values_set_over_it():
    assert find_experiment("hopper", ["training.weight_decay=0"]).training.weight_decay == 0.0


def test_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("data.name = 'synthetic'\ntraining = {epochs = 1, lr = 0.1}\n")
    assert find_experiment(str(path)).name == "mine"
    with pytest.raises(FileError, match=r"cannot read '.*absent.toml'"):
        find_experiment(str(tmp_path / "absent.toml"))


def test_unknown_names_get_the_nearest():
    with pytest.raises(ArgumentError, match=r"no experiment 'hoper': did you mean 'hopper'\? The"):
        find_experiment("hoper")
    with pytest.raises(ArgumentError, match=r"no experiment 'zzz': There are carla1d, .*\.toml$"):
        find_experiment("zzz")


def test_a_wrong_value_names_the_experiment():
    message = r"unknown key 'training.wd'.* \(--set training.wd\)"
    with pytest.raises(ArgumentError, match=message):
        find_experiment("hopper", ["training.wd=1"])
    with pytest.raises(
        ArgumentError, match=r"needs optimizer .* \(the experiment 'hopper', line \d+\)"
    ):
        find_experiment("hopper", ["training.optimizer=adam", "training.momentum=0.9"])


def deepnrc(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_experiment_registered_in_python(tmp_path):
    register("mine", small_run(2))
    try:
        assert "mine" in experiment_names()
        assert find_experiment("mine", ["training.epochs=3"]).training.epochs == 3
        assert find_experiment("mine").name == "mine"
        deepnrc("train", "mine", "--set", "training.epochs=2", "--out", tmp_path / "run")
        assert deepnrc("measure", tmp_path / "run").startswith("MLP: 48 samples")
    finally:
        _EXPERIMENTS.unregister("mine")
    with pytest.raises(ArgumentError, match="no experiment 'mine'"):
        find_experiment("mine")


def test_an_experiment_offered_by_a_package(tmp_path, installed, monkeypatch):
    site = installed(
        "their_experiments",
        "from pathlib import Path\nTEXT = Path(__file__).with_name('one.toml').read_text()\n"
        "FILE = Path(__file__).with_name('one.toml')\n",
        "[deepnrc.experiments]\ntheir-text = their_experiments:TEXT\n"
        "their-file = their_experiments:FILE\n",
    )
    (site / "one.toml").write_text(small_run(1))
    assert [find_experiment(f"their-{kind}").name for kind in ("text", "file")] == [
        "their-text",
        "their-file",
    ]
    deepnrc("train", "their-file", "--set", "training.epochs=1", "--out", tmp_path / "run")
    assert deepnrc("measure", tmp_path / "run").startswith("MLP: 48 samples")
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)  # of the sweep's processes
    swept = deepnrc(
        "sweep", "their-text", "--set", "training.epochs=1", "--over", "training.lr=0.01",
        "--workers", 1, "--out", tmp_path / "sweep",
    )  # fmt: skip
    assert "1 runs of their-text" in swept
    (site / "one.toml").write_text(small_run(1) + "evry = 3\n")
    message = (
        r"unknown key 'measure.evry': did you mean .* \(the experiment 'their-file', line 14\)"
    )
    with pytest.raises(ArgumentError, match=message):
        find_experiment("their-file")


def test_what_is_no_experiment_or_has_a_taken_name_is_refused(installed):
    with pytest.raises(ArgumentError, match="experiment 'hopper' already: choose another name"):
        register("hopper", "")
    installed("theirs", "NUMBER = 3\n", "[deepnrc.experiments]\nthree = theirs:NUMBER\n")
    with pytest.raises(ArgumentError, match=r"expected a str \| pathlib\.\S*Path, got int$"):
        find_experiment("three")
