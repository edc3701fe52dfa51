"""Configurations: what is refused, in which words, and that what is written reads back the same."""

import re

import pytest

from deepnrc.errors import ArgumentError, FileError
from deepnrc.training.config.experiment import ExperimentConfig, MeasureConfig, TrainingConfig
from deepnrc.training.config.file import (
    differences,
    parse_config,
    plain_config,
    read_config,
    toml_text,
)

TEXT = """\
seed = 1  # of the weights

[data]
name = "synthetic"
options.rank = 3

[model]
width = 64
depth = 4

[training]
epochs = 30
lr = 0.1
weight_decay = 5e-3
"""


def parse(text=TEXT, *overrides):
    return parse_config(text, overrides, source="my.toml", name="mine")


def refused(text=TEXT, *overrides):
    with pytest.raises(ArgumentError) as caught:
        parse(text, *overrides)
    return str(caught.value)


def test_values_and_defaults():
    config = parse()
    assert (config.name, config.seed, config.data.options) == ("mine", 1, {"rank": 3})
    assert (config.model.kind, config.model.width, config.model.bias) == ("mlp", 64, False)
    assert (config.training.weight_decay, config.training.batch_size) == (5e-3, 128)
    assert config.data.split_seed == 42
    assert config.training.decay == "all"


def test_a_name_in_the_file_wins():
    assert parse('name = "other"\n' + TEXT).name == "other"


def test_what_is_written_reads_back_the_same():
    config = parse(
        TEXT,
        "training.milestones=[0.25, 0.5]",
        "training.lr=1e-05",
        'data.path="a \\"b\\" \\\\ ü"',
        "measure.layers=['fc1', 'fc2']",
        "measure.signal_rank=targets",
        'data.options."odd key"=[1, 2.5, true]',
    )
    assert parse_config(toml_text(plain_config(config)), source="", name="") == config


@pytest.mark.parametrize(
    ("override", "got"),
    [
        ("training.weight_decay=1e-3", lambda c: c.training.weight_decay == 1e-3),
        ("training.lr=1", lambda c: c.training.lr == 1.0),
        ("model.bias=true", lambda c: c.model.bias is True),
        ("training.optimizer=adamw", lambda c: c.training.optimizer == "adamw"),
        ("measure.epochs=[0, 10]", lambda c: c.measure.epochs == [0, 10]),
        ("measure.layers=['fc1']", lambda c: c.measure.layers == ["fc1"]),
        ("data.path=/tmp/a=b", lambda c: c.data.path == "/tmp/a=b"),
        ("data.options.noise=0.5", lambda c: c.data.options == {"rank": 3, "noise": 0.5}),
        (" seed = 7 ", lambda c: c.seed == 7),
    ],
)  # fmt: skip
def test_override(override, got):
    assert got(parse(TEXT, override))


def test_later_overrides_win():
    assert parse(TEXT, "seed=1", "seed=2").seed == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("depth = 4", "dephts = 4"), "unknown key 'model.dephts': did you mean 'model.depth'? @9"),
        (("depth = 4", "lr = 4"), "unknown key 'model.lr': did you mean 'training.lr'? @9"),
        (("seed = 1", "epochs = 1"), "unknown key 'epochs': did you mean 'training.epochs'? @1"),
        (
            ("depth = 4", "zzz = 4"),
            "unknown key 'model.zzz': known here are activation, bias, depth,",
        ),
        (("[model]", "[mdoel]"), "unknown key 'mdoel': did you mean 'model'? @7"),
        (
            ("epochs = 30", "epochs = '30'"),
            "'training.epochs' should be a valid integer; got '30' @12",
        ),
        (
            ("epochs = 30", "epochs = 0"),
            "'training.epochs' should be greater than or equal to 1; got 0 @12",
        ),
        (("epochs = 30\n", ""), "'training.epochs' is missing @11"),
        (("lr = 0.1", "lr = nan"), "'training.lr' should be a finite number; got nan @13"),
        (
            ("lr = 0.1", "lr = 0.1\nmilestones = [0.3, 2.0]"),
            "'training.milestones[1]' should be less than 1; got 2.0 @14",
        ),
        (
            ("width = 64", "kind = 'vgg'"),
            "'model.kind' must be one of mlp, resnet18, resnet34; got 'vgg' @8",
        ),
        (
            ("width = 64", "kind = 'resnet18'"),
            "'model.depth' does not go with this model.kind: leave it out @9",
        ),
        (("width = 64", "activation = 'rleu'"), "did you mean 'relu'? got 'rleu' @8"),
        (("width = 64", "width = true"), "'model.width' should be a valid integer; got True @8"),
        (("[training]", "[training"), "my.toml is not valid TOML: Expected ']' at"),
    ],
)
def test_a_wrong_file_is_told_key_line_and_nearest_name(line, message):
    assert re.sub(r"@(\d+)", r"(my.toml, line \1)", message) in refused(TEXT.replace(*line))


def test_dotted_keys_and_inline_tables_have_lines_too():
    text = "data.name = 'x'\ntraining = {epochs = 1, lr = 0}\ndata.sampels = 3\n"
    message = refused(text)
    assert "unknown key 'data.sampels': did you mean 'data.samples'? (my.toml, line 3)" in message
    assert "'training.lr' should be greater than 0; got 0 (my.toml, line 2)" in message
    assert message.count("\n") == 1  # one line a problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"optimizer": "adam", "momentum": 0.9},
            "momentum goes with optimizer = 'sgd' only: leave it out",
        ),
        ({"optimizer": "adam", "nesterov": True}, "nesterov goes with optimizer = 'sgd' only"),
        ({"betas": [0.9, 0.99]}, "betas goes with optimizer = 'adam' or 'adamw' only"),
        ({"optimizer": "adam", "betas": [0.9]}, "betas must be two numbers; got 1"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
        (
            {"schedule": "cosine", "milestones": [0.5]},
            "milestones goes with schedule = 'multistep' only",
        ),
        ({"schedule": "constant", "gamma": 0.5}, "gamma goes with schedule = 'multistep' only"),
        ({"ufm_lambda_h": 1e-3}, "ufm_lambda_h and ufm_lambda_w go together"),
        ({"ufm_lambda_w": 1e-3}, "ufm_lambda_h and ufm_lambda_w go together"),
        (
            {"ufm_lambda_h": 1e-3, "ufm_lambda_w": 1e-3, "weight_decay": 0.1},
            "ufm_lambda_h and ufm_lambda_w stand in place of weight decay: set weight_decay = 0 "
            "(it is 0.1), or leave them out",
        ),
    ],
)
def test_combinations_that_cannot_be(change, message):
    values = {"data": {"name": "x"}, "training": {"epochs": 1, "lr": 0.1, **change}}
    assert f"'training': {message}" in refused(toml_text(values))


def test_measured_epochs_lie_within_the_run():
    message = refused(TEXT, "measure.epochs=[0, 31]")
    assert message == "measure.epochs goes up to 31, but training.epochs is 30 (my.toml)"


def test_schedules_of_measurement_exclude_each_other():
    message = refused(TEXT, "measure.every=3", "measure.log_spaced=4")
    assert "'measure': every and log_spaced exclude each other: keep one" in message


@pytest.mark.parametrize(
    ("measure", "epochs"),
    [
        (MeasureConfig(epochs=[5, 0, 5]), (0, 5)),
        (MeasureConfig(every=4), (0, 4, 8, 10)),
        (MeasureConfig(every=5), (0, 5, 10)),
        (MeasureConfig(log_spaced=3), (0, 1, 10)),
        (MeasureConfig(), tuple(range(11))),
    ],
)
def test_schedule(measure, epochs):
    assert measure.schedule(10) == epochs


def test_the_papers_schedule_has_70_epochs():
    assert len(MeasureConfig().schedule(1000)) == 70


@pytest.mark.parametrize("value", ["0", "-1", "all"])
def test_signal_rank_is_a_number_or_targets(value):
    message = refused(TEXT, f"measure.signal_rank={value}")
    assert "'measure.signal_rank': must be a whole number of at least 1, or 'targets'" in message
    assert message.endswith("(--set measure.signal_rank)")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.weight_decay", "--set training.weight_decay: expected KEY=VALUE, such as"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("seed=", "--set seed=: expected KEY=VALUE"),
        ("seed.x=3", "--set seed.x=3: seed is no table of keys"),
        ("training.epochs=ten", "'training.epochs' should be a valid integer; got 'ten' (--set"),
        ("training.wd=3", "unknown key 'training.wd'"),
        (
            "data.depth=3",
            "unknown key 'data.depth': did you mean 'model.depth'? (--set data.depth)",
        ),
    ],
)
def test_a_wrong_override_names_the_option(override, message):
    assert message in refused(TEXT, override)


def test_a_file_takes_its_name(tmp_path):
    path = tmp_path / "first.toml"
    path.write_text(TEXT)
    assert read_config(path, ["seed=5"]).name == "first"
    assert read_config(path, ["seed=5"]).seed == 5


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read '.*absent.toml': No such file"):
        read_config(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match=r"cannot read '.*binary.toml': .*can't decode"):
        read_config(tmp_path / "binary.toml")


def test_differences_name_keys_and_both_values():
    old, new = plain_config(parse()), plain_config(parse(TEXT, "model.width=3", "data.samples=9"))
    assert differences(old, new) == ["model.width: 64, now 3", "data.samples: not set, now 9"]
    assert differences(old, old) == []


def test_from_python_too():
    config = ExperimentConfig(
        name="x", data={"name": "synthetic"}, training=TrainingConfig(epochs=1, lr=1)
    )
    assert config.model.kind == "mlp"
