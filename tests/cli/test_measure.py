"""``deepnrc measure``: output, files, messages, exit codes."""

import csv
import importlib
import io
import json
import sys

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from deepnrc import load, measure
from deepnrc.cli.app import app
from helpers import on_a_terminal


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
    assert "classes must be left out when --task regression; got 2" in result.stderr


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
        (["--layers", "3"], "--layers 3 matches no weight layer"),
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
