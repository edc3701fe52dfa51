"""``deepnrc measure``: options of rows, outputs and heads, files before and after, its advice."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deepnrc import HeadMeasurements, load
from deepnrc.cli.app import app
from helpers import on_a_terminal

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
        (["--mask", "valdi"], "--mask valdi is a key of neither the batch nor the inputs"),
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
        (["--head", "spread=5"], "outputs of head 'spread': --output 5: the model returned a dict"),
        ([], "head 'spread' has no output of its name: the targets' heads are 'mean', 'spread'"),
        (["--head", "spread=scale", "--output", "mean"], "--output mean names the output of a sin"),
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


def test_errors_and_notes_speak_of_the_commands_own_options(folder):
    _, name = folder
    base = ["measure", "--model", f"{name}:Tokens", "--data"]
    result = CliRunner().invoke(app, [*base, f"{name}:tokens"])
    assert result.exit_code == 1
    assert "pass --unpack PKG.MOD:NAME, the name of a function such as lambda" in result.stderr
    arguments = ["--model", f"{name}:make", "--data", f"{name}:labelled"]
    result = CliRunner().invoke(app, ["measure", *arguments])
    assert "if they are labels, pass --task classification" in result.stdout


def test_a_terminal_shows_low_rank_targets_too(folder):
    path, name = folder
    text = on_a_terminal(
        "measure", "--model", f"{name}:make", "--data", f"{name}:low_rank", cwd=path
    )
    assert "The targets are of low rank: 1 direction holds" in text
    assert "--signal-rank sets another k" in text


def test_files_are_written_though_the_reader_of_the_table_has_gone(folder):
    path, name = folder
    arguments = ["measure", "--model", f"{name}:make", "--data", f"{name}:data", "--save", "m.json"]
    command = [sys.executable, "-m", "deepnrc", *arguments]
    with subprocess.Popen(command, cwd=path, stdout=subprocess.PIPE) as process:
        process.stdout.close()
    assert process.returncode == 0
    assert load(path / "m.json").samples == 60
