"""``deepnrc check``: what is wrong, what to do, exit code 0 or 1."""

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

import deepnrc
from deepnrc.cli.app import app
from deepnrc.training.runs.run import run_experiment
from helpers import small_experiment


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    out = tmp_path_factory.mktemp("check") / "sweep"
    for seed in range(2):
        config = small_experiment(seed, epochs=2, measure={"epochs": [2]})
        run_experiment(config, out / f"seed={seed}")
    return out


def test_a_whole_run_and_a_whole_sweep(sweep):
    result = run("check", sweep / "seed=0")
    assert (result.exit_code, result.stdout) == (0, f"{sweep}/seed=0: nothing wrong\n")
    result = run("check", sweep)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"{sweep}: 2 runs, nothing wrong"


def test_what_is_wrong_in_a_sweep_is_named(sweep, tmp_path):
    out = shutil.copytree(sweep, tmp_path / "sweep")
    file = out / "seed=1" / "measurements" / "epoch-000002.json"
    file.write_text(file.read_text().replace('"noise_component": 0', '"noise_component": -7'))
    (out / "seed=0" / "config.toml").unlink()
    (out / "failures").mkdir()
    (out / "failures" / "seed=2.txt").write_text("why")
    result = run("check", out)
    assert result.exit_code == 1
    assert f"wrong: '{file}' was altered after it was written: its SHA-256 dif" in result.stdout
    assert "delete it and give the command of the run again" in result.stdout
    assert f"wrong: '{out}/seed=0/config.toml' is missing: restore it from a copy" in result.stdout
    assert "note: seed=2 failed, see '" in result.stdout
    assert f"{out}: 2 runs, 2 wrong" in result.stdout


def test_a_measurement_by_itself(tmp_path):
    x = torch.randn(20, 3)
    path = tmp_path / "m.json"
    deepnrc.measure(torch.nn.Linear(3, 2), [(x, x[:, :2])], progress=False).save(path)
    assert run("check", path).exit_code == 0
    path.write_text(path.read_text().replace('"samples": 20', '"samples": "many"'))
    result = run("check", path)
    assert result.exit_code == 1
    assert "m.json': samples must be a valid integer; got 'many'" in result.stdout


def test_a_data_set(tmp_path, monkeypatch):
    from deepnrc.data.access.cache import save_tensors

    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    result = run("check", "hopper")
    assert (result.exit_code, result.stdout) == (
        0, "hopper: nothing of it is stored on this machine\n",
    )  # fmt: skip
    file = tmp_path / "data" / "hopper-samples5-seed0.safetensors"
    save_tensors(file, {"a": torch.zeros(3)}, {})
    assert run("check", file).exit_code == 0
    file.write_bytes(file.read_bytes()[:-1])
    for place in (file, "hopper"):
        result = run("check", place)
        assert result.exit_code == 1
        assert "build it with `deepnrc data build hopper --samples 5`" in result.stdout


def test_what_is_nothing_of_ours_is_named(tmp_path):
    (tmp_path / "thesis.tex").touch()
    for place, message in (
        (tmp_path, "holds neither a run (config.toml) nor runs in its folders: give"),
        (tmp_path / "thesis.tex", "is not a file that deepnrc writes: give the folder of a run"),
        ("hoper", "is neither a file or folder nor a data set: `deepnrc data list` shows"),
    ):
        result = run("check", place)
        assert result.exit_code == 1
        assert message in result.stderr
    assert run("check").exit_code == 2


def test_a_schema_is_printed(tmp_path):
    result = run("check", "--schema", "measurement")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "deepnrc: the entry 'record' of a measurement"
    assert (
        "there is no schema 'x': There are environment, log" in run("check", "--schema", "x").stderr
    )


def test_names_that_a_terminal_would_obey_are_shown_escaped(tmp_path):
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("a\x1b[2J\x1b]0;x\x07\nb", torch.nn.Linear(3, 2))

        def forward(self, x):
            return next(self.children())(x)

    x = torch.randn(20, 3)
    measurement = deepnrc.measure(Network(), [(x, x[:, :2])], progress=False)
    for text in (str(measurement), str(deepnrc.diagnose(measurement))):
        assert r"a\x1b[2J\x1b]0;x\x07" in text
        assert "\x1b" not in text
        assert "\x07" not in text
    assert r"a\x1b[2J\x1b]0;x\x07\nb" in measurement.table.rows[0][0]
    assert "\x1b" not in run("train", "a\x1b[2J").stderr
