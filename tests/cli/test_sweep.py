"""``deepnrc sweep`` as a program calls it: lines, table, messages, exit codes."""

import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from deepnrc.cli.app import app
from helpers import small_run

SMALL = small_run(2)


def run(*arguments):
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return "small.toml"


def test_a_sweep_with_a_member_that_fails_and_once_more(experiment, tmp_path):
    arguments = (
        experiment,
        "--set",
        "model.width=5",
        "--over",
        "training.lr=0.05,1e30",
        "--workers",
        2,
    )
    first = run(*arguments)
    assert first.exit_code == 1
    assert first.stdout.startswith(
        "2 runs of small in 'sweeps/small'\nIf it is interrupted, the same command resumes it.\n"
    )
    assert re.search(
        r"\d/2  lr=0.05_seed=0: done after 2 epochs, loss \d\.\d{3}e[+-]\d\d\n", first.stdout
    )
    assert re.search(r"\d/2  lr=1e\+30_seed=0: failed after 0 epochs\n", first.stdout)
    assert first.stderr.startswith(
        "error: 1 of 2 runs failed:\n  lr=1e+30_seed=0: the training loss is "
    )
    frame = pd.read_csv("sweeps/small/results.csv")
    assert set(frame["run"]) == {"lr=0.05_seed=0"}
    assert f"Written: sweeps/small/results.csv, {len(frame):,} rows" in first.stdout
    assert "width = 5" in (tmp_path / "sweeps/small/lr=0.05_seed=0/config.toml").read_text()

    again = run(
        experiment, "--set", "model.width=5", "--over", "training.lr=5e-2", "--table", "a.csv"
    )
    assert (again.exit_code, again.stderr) == (0, "")
    assert "   1/1  lr=0.05_seed=0: done before after 2 epochs" in again.stdout
    assert len(pd.read_csv("a.csv")) == len(frame)


def test_a_sweep_of_members_trained_together(experiment, tmp_path):
    arguments = (experiment, "--seeds", 3, "--over", "training.lr=0.05,1e30", "--together", 3)
    result = run(*arguments, "--workers", 1)
    assert result.exit_code == 1
    assert result.stdout.startswith("6 runs of small in 'sweeps/small', trained in 2 jobs\n")
    assert "error: 3 of 6 runs failed:\n  lr=1e+30_seed=0: the training loss is" in result.stderr
    assert set(pd.read_csv("sweeps/small/results.csv")["run"]) == {
        f"lr=0.05_seed={seed}" for seed in range(3)
    }
    started = (tmp_path / "sweeps/small/lr=0.05_seed=2/sessions.jsonl").read_text()
    assert '"together": 3' in started


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--over", "training.lr"], "error: --over training.lr: expected KEY=VALUE,VALUE"),
        (["--table", "a.xls"], "error: table: 'a.xls' must end in .csv or .parquet"),
        (["--workers", "0"], "error: workers must be at least 1; got 0"),
        (
            ["--together", "0"],
            "error: together must be at least 1, the number of runs ",
        ),
        (["--address", "auto"], "error: --address goes with --executor ray, not with local: leave"),
        (["--option", "a=1"], "error: --option goes with --executor slurm or ray: leave it out"),
        (
            ["--executor", "ray", "--option", "a"],
            "error: --option a: expected KEY=VALUE, such as slurm_partition=gpu",
        ),
    ],
)
def test_what_cannot_be_is_said_before_any_work(experiment, tmp_path, arguments, message):
    result = run(experiment, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert not (tmp_path / "sweeps").exists()


def test_an_unknown_executor_is_wrong_usage(experiment):
    assert run(experiment, "--executor", "moon").exit_code == 2
