"""Experiment files: read, overridden, and read back the same from what is written."""

import tomllib

import pytest

from deepnrc.errors import ArgumentError, FileError
from deepnrc.training.config import ExperimentConfig, TrainingConfig
from deepnrc.training.config.file import config_text, parse_config, plain_config, read_config
from deepnrc.training.config.older import changes
from deepnrc.training.config.overrides import override


def test_values_and_defaults(parse):
    config = parse()
    assert (config.name, config.seed, config.data.options) == ("mine", 1, {"rank": 3})
    assert (config.model.kind, config.model.width, config.model.bias) == ("mlp", 64, False)
    assert (config.training.weight_decay, config.training.batch_size) == (5e-3, 128)
    assert config.data.split_seed == 42
    assert config.training.decay == "all"


def test_a_name_in_the_file_wins(parse):
    assert parse(replace=("seed = 1", 'seed = 1\nname = "other"')).name == "other"


def test_what_is_written_reads_back_the_same(parse):
    config = parse(
        "training.milestones=[0.25, 0.5]",
        "training.lr=1e-05",
        'data.path="a \\"b\\" \\\\ ü"',
        "measure.layers=['fc1', 'fc2']",
        "measure.signal_rank=targets",
        'data.options."odd key"=[1, 2.5, true]',
    )
    text = config_text(config)
    assert parse_config(text, source="", name="") == config
    assert tomllib.loads(text) == plain_config(config)


WRITTEN_BEFORE = """\
name = "mine"
seed = 1

[data]
name = "synthetic"
seed = 0
split_seed = 42
test_fraction = 0.2

[data.options]
rank = 3

[model]
kind = "mlp"
width = 64
depth = 4
activation = "relu"
norm = "none"
bias = false
init = "he"

[training]
epochs = 30
lr = 5e-05
weight_decay = 0.005
decay = "all"
batch_size = 128
optimizer = "sgd"
nesterov = false
schedule = "multistep"
milestones = [0.25, 0.5]
precision = "float32"
compile = false
device = "auto"

[measure]
epochs = [0, 30]
test = true
center = true
intercept = true
"""


def test_the_configuration_of_an_older_run_is_recognized(parse):
    """Written by deepnrc before it wrote TOML with tomli-w."""
    now = parse("training.lr=5e-5", "training.milestones=[0.25, 0.5]", "measure.epochs=[0, 30]")
    assert parse_config(WRITTEN_BEFORE, source="", name="") == now
    assert changes(tomllib.loads(WRITTEN_BEFORE), now) == []


def test_a_file_takes_its_name(tmp_path):
    path = tmp_path / "first.toml"
    path.write_text("data.name = 'synthetic'\ntraining = {epochs = 1, lr = 0.1}\n")
    assert read_config(path, ["seed=5"]).name == "first"
    assert read_config(path, ["seed=5"]).seed == 5


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read '.*absent.toml': No such file"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match=r"cannot read '.*binary.toml': .*can't decode"):
        read_config(tmp_path / "binary.toml")


def test_from_python_too():
    config = ExperimentConfig(
        name="x", data={"name": "synthetic"}, training=TrainingConfig(epochs=1, lr=1)
    )
    assert config.model.kind == "mlp"


def test_files_that_are_too_deep_or_too_large(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 9999)
    with pytest.raises(ArgumentError, match=r"deep\.toml must be nested at most 64 deep; got more"):
        read_config(path)
    path.write_bytes(b"#" * 2**21)
    with pytest.raises(
        FileError, match=r"deep\.toml' has 2,097,152 bytes; expected at most 1,048,576"
    ):
        read_config(path)
    with pytest.raises(ArgumentError, match=r"--set a: the value is nested too deep: pass another"):
        override({}, "a=" + "[" * 9999)
