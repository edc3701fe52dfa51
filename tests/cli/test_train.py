"""``deepnrc train`` and ``deepnrc measure RUN``, called as a program calls them."""

import json
import re

import pytest
from typer.testing import CliRunner

from deepnrc import load
from deepnrc.cli.app import app
from helpers import on_a_terminal

SMALL = [
    "--set", "data.samples=100", "--set", "model.width=8", "--set", "model.depth=3",
    "--set", "training.epochs=4", "--set", "measure.epochs=[0, 2, 4]",
]  # fmt: skip


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "a"
    return out, run("train", "synthetic", *SMALL, "--out", out)


def test_train_shows_progress_measurement_and_verdict(finished):
    out, result = finished
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "synthetic: ReLU teacher of rank 2, 100 samples, noise 0, seed 0"
    assert lines[1].endswith("weight decay 0.0005 on all 3 parameters; seed 0")
    epochs = [line for line in lines if line.startswith("epoch ")]
    pattern = r"epoch +(\d)/4  loss \d\.\d{3}e[+-]\d+  test \d\.\d{3}e[+-]\d+  NRC1 of fc3 \S+"
    assert [re.fullmatch(pattern, line)[1] for line in epochs] == ["1", "2", "3", "4"]
    for text in ("=== on the training data ===", "on the test data: MSE ", "Thresholds: NRC1"):
        assert text in result.stdout
    assert lines[-1] == f"Written: {out}, with figures/layers.png, figures/layers.pdf"
    assert (out / "figures" / "layers.png").read_bytes().startswith(b"\x89PNG")


def test_again_says_that_it_is_finished(finished):
    out, first = finished
    again = run("train", "synthetic", *SMALL, "--out", out)
    assert again.exit_code == 0, again.output
    assert f"'{out}' is finished: nothing was left to train" in again.stdout
    table = first.stdout[first.stdout.index("===") :]
    assert again.stdout.endswith(table)


def test_the_runs_own_configuration_is_an_experiment(finished):
    out, _ = finished
    again = run("train", out / "config.toml", "--out", out)
    assert again.exit_code == 0, again.output
    assert "is finished" in again.stdout


def test_runs_go_under_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(
        "[data]\nname = 'synthetic'\nsamples = 50\n[model]\nwidth = 4\ndepth = 2\n"
        "[training]\nepochs = 1\nlr = 0.01\n[measure]\nepochs = []\n"
    )
    result = run("train", "mine.toml")
    assert result.exit_code == 0, result.output
    expected = "Written: runs/mine (the last epoch is not one that is measured)\n"
    assert result.stdout.endswith(expected)
    assert (tmp_path / "runs" / "mine" / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hoper"], "there is no experiment 'hoper': did you mean 'hopper'?"),
        (["hopper", "--set", "training.wd=1"], "unknown key 'training.wd'"),
        (["hopper", "--set", "nonsense"], "--set nonsense: expected KEY=VALUE"),
        (["absent.toml"], "cannot read 'absent.toml'"),
        (["hopper", "--set", "data.samples=60"], "deepnrc data build hopper --samples 60"),
        (["synthetic", *SMALL, "--set", "seed=1", "--out", "OUT"], "  seed: 0, now 1"),
    ],
)  # fmt: skip
def test_failures_are_a_message_and_exit_code_1(
    finished, tmp_path, monkeypatch, arguments, message
):
    out, _ = finished
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    result = run("train", *[str(out) if x == "OUT" else x for x in arguments])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("part", ["train", "test"])
def test_measure_run_gives_the_record_of_the_run(finished, part):
    out, _ = finished
    ending = "" if part == "train" else "-test"
    for epoch in ("2", None):
        choice = ["--epoch", epoch] if epoch else []
        result = run("measure", out, "--part", part, "--json", *choice)
        assert result.exit_code == 0, result.output
        record = load(out / "measurements" / f"epoch-00000{epoch or 4}{ending}.json")
        assert json.loads(result.stdout) == record.to_dict()


def test_measure_run_with_other_metrics_and_thresholds(finished):
    out, _ = finished
    result = run("measure", out, "--signal-rank", 1, "--no-center", "--layers", "fc[23]", "--json")
    record = json.loads(result.stdout)
    assert (record["signal_rank"], record["center"]) == (1, False)
    assert [layer["name"] for layer in record["layers"]] == ["fc2", "fc3"]
    arguments = ["--noise-tol", 0.999, "--cka-tol", 0.01, "--alignment-tol", 0.01]
    result = run("measure", out, *arguments, "--error-factor", 1e6)
    assert "NRC1 ≤ 0.999, NRC2 ≥ 0.01, NRC3 ≥ 0.01, NRC4 ≤ 1e+06 × the model's" in result.stdout
    assert "Collapsed from fc1 on" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["OUT", "--epoch", 3], "holds no weights of epoch 3, only of those that were measured"),
        (["OUT", "--model", "a:b"], "RUN brings its own model, data and checkpoints"),
        (["OUT", "--checkpoint", "x.pt"], "RUN brings its own model, data and checkpoints"),
        (["--model", "a:b", "--data", "a:b", "--epoch", 3], "--epoch goes with the folder of a r"),
        (["absent"], "'absent' is not the folder of a run: it has no config.toml"),
    ],
)
def test_measure_failures(finished, tmp_path, monkeypatch, arguments, message):
    out, _ = finished
    monkeypatch.chdir(tmp_path)
    result = run("measure", *[out if x == "OUT" else x for x in arguments])
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--model", "a:b"], ["--data", "a:b"]])
def test_measure_needs_a_run_or_a_model_and_data(arguments):
    result = run("measure", *arguments)
    assert result.exit_code == 2
    assert "give the folder of a run, or both --model and --data" in result.stderr


def test_built_data_train_as_the_paper_says(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path / "home"))
    built = run("data", "build", "reacher", "--samples", 100, "--seed", 3)
    assert built.exit_code == 0, built.output
    values = ["data.samples=100", "data.seed=3", "training.epochs=1"]
    options = [x for value in values for x in ("--set", value)]
    trained = run("train", "reacher", *options, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    assert "Reacher-v5" in trained.stdout.splitlines()[0]
    assert "mlp of 1,579,008 parameters, 1 epochs of sgd, weight decay 0.0001" in trained.stdout


def test_on_a_terminal_one_line_is_written_over(tmp_path):
    text = on_a_terminal("train", "synthetic", *SMALL, cwd=tmp_path)
    assert "\repoch    1/4" in text
    assert "0:00 left" in text
