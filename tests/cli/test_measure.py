"""``deepnrc measure``: output, files, messages, exit codes."""

import csv
import importlib
import io
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from deepnrc import HeadMeasurements, load, measure
from deepnrc.cli.app import app
from helpers import on_a_terminal

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


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _checkpoint(folder, name):
    model = __import__(name).make()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    save_file(model.state_dict(), folder / "weights.safetensors")
    return model


def test_measure_with_checkpoint_gives_what_the_library_gives(folder):
    path, name = folder
    sys.path.insert(0, str(path))
    model = _checkpoint(path, name)
    result = run(
        "measure", "--model", f"{name}:make", "--data", f"{name}:data",
        "--checkpoint", "weights.safetensors", "--json", "--save", "record.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = measure(model, __import__(name).data(), progress=False)
    assert json.loads(result.stdout) == expected.to_dict()
    assert load(path / "record.json") == expected


def test_measure_prints_table_diagnosis_and_draws(folder):
    path, name = folder
    result = run("measure", "--model", f"{name}:ready", "--data", f"{name}:data", "--figure", "fig")
    assert result.exit_code == 0, result.output
    assert "layer  width" in result.stdout
    assert "Thresholds: NRC1 ≤ 0.1" in result.stdout
    assert {file.name for file in path.glob("fig.*")} == {"fig.png", "fig.pdf"}


def test_measure_classification_and_the_last_layer(folder):
    name = folder[1]
    result = run(
        "measure",
        "--model",
        f"{name}:ready",
        "--data",
        f"{name}:labelled",
        "--task",
        "classification",
    )
    assert result.exit_code == 0, result.output
    assert "60 samples in 1 batch, 2 classes, signal rank 1 (classes − 1)" in result.stdout
    assert "NC1   NRC1" in result.stdout
    result = run(
        "measure", "--model", f"{name}:ready", "--data", f"{name}:data", "--last-layer", "centred"
    )
    assert "2: last layer, conditions of 2024: NRC1 0." in result.stdout
    assert "rows less their mean" in result.stdout
    result = run("measure", "--model", f"{name}:ready", "--data", f"{name}:data", "--classes", "2")
    assert result.exit_code == 1
    assert "classes must be left out when task='regression'; got 2" in result.stderr


def test_measure_csv_is_one_line_a_layer(folder):
    _, name = folder
    result = run("measure", "--model", f"{name}:make", "--data", f"{name}:data", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["layer"] for row in rows] == ["0", "2"]
    assert 0 <= float(rows[1]["noise_component"]) <= 1


def test_measure_selects_layers_and_rank(folder):
    _, name = folder
    result = run(
        "measure", "--model", f"{name}:make", "--data", f"{name}:data",
        "--layers", "2", "--signal-rank", "1", "--rule", "nrc1", "--json",
    )  # fmt: skip
    record = json.loads(result.stdout)
    assert [layer["name"] for layer in record["layers"]] == ["2"]
    assert record["signal_rank"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nocolon"], "--model must be PACKAGE.MODULE:NAME; got 'nocolon'"),
        (["--model", "no_such_module:x"], "there is no module 'no_such_module'"),
        (["--model", "{name}:absent"], "has no 'absent'"),
        (["--model", "{name}:number"], "gave a int; expected a torch.nn.Module"),
        (["--model", "{name}:broken"], "error: RuntimeError: no camera (--debug shows where)"),
        (["--data", "{name}:number"], "expected an iterable of (inputs, targets)"),
        (["--data", "{name}:spoiled"], "features of layer '0' hold NaN or infinity in batch 0"),
        (["--checkpoint", "absent.safetensors"], "checkpoint 'absent.safetensors' is not a file"),
        (["--json", "--csv"], "--json and --csv exclude each other"),
        (["--layers", "3"], "layers='3' matches no weight layer"),
        (["--signal-rank", "x"], "signal_rank must be a whole number of at least 1, 'targets'"),
        (["--save", "absent/record.json"], "--save absent/record.json: there is no folder"),
        (["--figure", "absent/fig"], "--figure absent/fig.png: there is no folder"),
    ],
)  # fmt: skip
def test_failures_are_one_message_and_exit_code_1(folder, arguments, message):
    _, name = folder
    given = [argument.replace("{name}", name) for argument in arguments]
    for option, value in (("--model", "make"), ("--data", "data")):
        if option not in given:
            given += [option, f"{name}:{value}"]
    result = run("measure", *given)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_keeps_the_traceback(folder):
    _, name = folder
    result = run("--debug", "measure", "--model", f"{name}:broken", "--data", f"{name}:data")
    assert isinstance(result.exception, RuntimeError)


def test_on_a_terminal_the_table_is_drawn_and_the_plan_said(folder):
    path, name = folder
    text = on_a_terminal("measure", "--model", f"{name}:make", "--data", f"{name}:data", cwd=path)
    assert "measuring 2 layers against 2 target dimensions; at most" in text
    assert "\x1b[1m" in text  # headings in bold
    assert "last layer, conditions of 2024: NRC3" in text  # the notes below the table
    assert "Thresholds" in text


def test_plan_shows_what_would_be_measured_and_measures_nothing(folder):
    _, name = folder
    result = CliRunner().invoke(
        app, ["measure", "--model", f"{name}:make", "--data", f"{name}:data", "--plan"]
    )
    assert result.exit_code == 0
    assert result.stdout.startswith("Sequential: 2 layers, a batch of 60 samples with 2 targets; ")
    assert "gives the predictions" in result.stdout
    assert "NRC1" not in result.stdout


def test_key_and_prefix_choose_the_weights_of_a_checkpoint(folder):
    path, name = folder
    sys.path.insert(0, str(path))
    models = importlib.import_module(name)
    wanted, other = models.make(), models.make()
    state = {f"student.{k}": v for k, v in wanted.state_dict().items()}
    state |= {f"teacher.{k}": v for k, v in other.state_dict().items()}
    torch.save({"weights": state}, path / "w.pt")
    base = ["measure", "--model", f"{name}:make", "--data", f"{name}:data", "--json"]
    chosen = ["--checkpoint", "w.pt", "--key", "weights", "--prefix", "student"]
    result = CliRunner().invoke(app, [*base, *chosen])
    assert result.exit_code == 0, result.output
    expected = measure(wanted, models.data(), progress=False)
    assert json.loads(result.stdout)["model_mse"] == pytest.approx(expected.model_mse, rel=1e-9)
    result = CliRunner().invoke(app, [*base, "--prefix", "student"])
    assert result.exit_code == 1
    assert "--key and --prefix go with --checkpoint: pass that too" in result.stderr


TOKENS = ["measure", "--model", "{}:Tokens", "--data", "{}:tokens", "--unpack", "{}:pair", "--json"]


@pytest.mark.parametrize(
    ("options", "check"),
    [
        (["--output", "mean"], lambda m: m["mean"].role == "path" and m["scale"].role == "side"),
        (["--forward", "{}:run"], lambda m: m["scale"].role == "side"),
        (["--output", "mean", "--exclude", "s*"], lambda m: m.names == ("body", "mean")),
        (["--output", "mean", "--mask", "valid"], lambda m: m["body"].rows == 60),
        (["--output", "mean", "--mask", "none"], lambda m: m["body"].rows == 60),
        (["--output", "mean", "--batch-dim", "0"], lambda m: m["body"].rows == 60),
        (["--output", "mean", "--reduce", "{}:last_step"], lambda m: m.reduce == "last_step"),
        (["--output", "mean", "--reduce", "2"], lambda m: m.reduce == "position 2"),
    ],
)  # fmt: skip
def test_options_of_rows_and_outputs(folder, options, check):
    path, name = folder
    arguments = [argument.format(name) for argument in (*TOKENS, *options)]
    result = CliRunner().invoke(app, [*arguments, "--save", "m.json"])
    assert result.exit_code == 0, result.output
    assert check(load(path / "m.json"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--forward", "run"], "--forward must be PACKAGE.MODULE:NAME; got 'run'"),
        (["--forward", "{}:rnu"], "--forward {0}:rnu: module '{0}' has no 'rnu'"),
        (["--forward", "{}:number"], "--forward {0}:number is of type int; expected a function"),
        (["--mask", "valdi"], "mask='valdi' is a key of neither the batch nor the inputs"),
        (["--unpack", "{}:number"], "--unpack {0}:number is of type int; expected a function"),
    ],
)
def test_functions_that_are_not_found_are_named(folder, options, message):
    _, name = folder
    arguments = [argument.format(name) for argument in (*TOKENS, *options)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert message.format(name) in result.stderr


HEADS = ["measure", "--model", "{}:both", "--data", "{}:tokens", "--unpack", "{}:heads"]


@pytest.mark.parametrize("output", ["scale", "{}:scale"])
def test_several_targets_give_a_table_and_a_diagnosis_each(folder, output):
    path, name = folder
    base = [argument.format(name) for argument in (*HEADS, "--head", f"spread={output}")]
    result = CliRunner().invoke(app, [*base, "--save", "heads.json", "--figure", "fig"])
    assert result.exit_code == 0, result.output
    saved = HeadMeasurements.load(path / "heads.json")
    assert list(saved) == ["mean", "spread"]
    assert [saved[head].last_layer.layer for head in saved] == ["mean", "scale"]
    assert result.stdout.startswith("=== mean ===\nTokens: 60 samples in 1 batch")
    assert "\n\n=== spread ===\nTokens: 60 samples in 1 batch" in result.stdout
    assert result.stdout.count("Thresholds: NRC1 ≤ 0.1") == 2
    assert {file.name for file in path.glob("fig.*")} == {"fig.png", "fig.pdf"}
    result = CliRunner().invoke(app, [*base, "--json"])
    assert json.loads(result.stdout) == saved.to_dict()
    result = CliRunner().invoke(app, [*base, "--csv"])
    assert result.stdout.splitlines()[0].startswith("head,layer,kind,width")
    assert len(result.stdout.splitlines()) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--head", "spread"], "--head must be NAME=OUTPUT, such as --head value=1; got 'spread'"),
        (["--head", "spread=5"], "outputs of head 'spread': output=5: the model returned a dict"),
        ([], "head 'spread' has no output of its name: the targets' heads are 'mean', 'spread'"),
        (["--head", "spread=scale", "--output", "mean"], "output='mean' names the output of a sin"),
        (
            ["--unpack", "{}:pair", "--head", "a=mean"],
            "outputs names the heads 'a', but the target",
        ),
    ],
)
def test_heads_that_do_not_fit_are_named(folder, options, message):
    _, name = folder
    result = CliRunner().invoke(app, [text.format(name) for text in (*HEADS, *options)])
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--save", "absent/m.json"], "--save absent/m.json: there is no folder '{}/absent': make"),
        (["--figure", "absent/m"], "--figure absent/m.png: there is no folder '{}/absent': make"),
        (["--save", "."], "--save must name a file; '.' is a folder: name a file in it"),
    ],
)
def test_files_that_could_not_be_written_are_refused_before_the_work(folder, options, message):
    path, name = folder
    arguments = ["measure", "--model", f"{name}:absent", "--data", f"{name}:data", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert message.format(path) in result.stderr  # and not that there is no such model


def test_the_table_is_printed_before_a_picture_fails(folder, monkeypatch):
    _, name = folder

    def broken(*_):
        raise RuntimeError("no fonts")

    monkeypatch.setattr("deepnrc.report.figures.layer_figure", broken)
    arguments = ["measure", "--model", f"{name}:make", "--data", f"{name}:data", "--figure", "m"]
    result = CliRunner().invoke(app, [*arguments, "--save", "m.json"])
    assert result.exit_code == 1
    assert "no fonts" in result.stderr
    assert "NRC1" in result.stdout
    assert load("m.json").samples == 60


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "absent"])
def test_a_notebooks_backend_and_an_ascii_terminal(folder, backend):
    path, name = folder
    arguments = ["measure", "--model", f"{name}:make", "--data", f"{name}:data", "--figure", "m"]
    environment = {**os.environ, "MPLBACKEND": backend, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "deepnrc", *arguments]
    done = subprocess.run(command, cwd=path, env=environment, capture_output=True, check=True)
    assert done.stdout.isascii()
    assert b"R^2" in done.stdout
    assert b"----" in done.stdout
    assert (path / "m.png").stat().st_size > 1000
