"""``deepnrc reproduce`` as a program calls it: real runs, files, page, messages."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from deepnrc.cli.app import app


def run(*arguments):
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


def test_a_figure_from_nothing_and_once_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = run("fig8", "--seeds", 1)
    assert first.exit_code == 0, first.output
    assert "1 run for fig8, in 'reproduction/smoke/runs'" in first.stdout
    folder = tmp_path / "reproduction" / "smoke" / "fig8"
    names = {file.name for file in folder.iterdir() if file.name.startswith("fig8")}
    assert names == {f"fig8.{ending}" for ending in ("pdf", "svg", "png", "csv", "txt")}
    page = (tmp_path / "reproduction" / "smoke" / "fig8.md").read_text()
    assert "![Nonlinear synthetic data, t = 3, teachers of width r = 10](fig8/fig8.png)" in page
    again = run("fig8", "--seeds", 1)
    assert "synthetic-wide,seed=0: done before after 120 epochs" in again.stdout
    table = pd.read_csv(folder / "fig8.csv")
    assert set(table["x"]) == {f"fc{i}" for i in range(1, 11)}


OWN_RUNS = """
title = "Own runs"
experiment = "synthetic"
seeds = 1

[smoke]
set = ["data.samples=100", "model.width=8", "training.epochs=2", "measure.epochs=[0,2]"]
"""
OWN_FIGURE = """
from deepnrc.experiments.paper import Claim, Figure, Outcome, for_each
from deepnrc.experiments.paper.layer_panels import layer_columns
from deepnrc.report.quantities import NOISE

FIGURE = Figure(
    name="own",
    title="NRC1 of own runs",
    groups=("own-runs",),
    content=layer_columns(NOISE),
    findings=for_each(lambda runs: f"{runs.title}: {len(runs)} run."),
)
CLAIM = Claim(
    "Own runs finish.",
    ("own-runs",),
    lambda groups: Outcome([("synthetic", len(groups["own-runs"]), 1)], "finished runs"),
)
"""


def test_a_users_figure_claim_and_runs_from_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my figures"
    folder.mkdir()
    (folder / "own-runs.toml").write_text(OWN_RUNS)
    (folder / "own_figure.py").write_text(OWN_FIGURE)
    result = run("own", "--include", folder.name)
    assert result.exit_code == 0, result.output
    made = tmp_path / "reproduction" / "smoke" / "own"
    table = pd.read_csv(made / "own.csv")
    assert set(table["quantity"]) == {"NRC1 noise component"}
    assert table["value"].between(0, 1).all()
    assert (made / "own.txt").read_text().startswith("own: NRC1 of own runs\nOwn runs: 1 run.\n")
    page = (tmp_path / "reproduction" / "smoke" / "own.md").read_text()
    assert "`deepnrc reproduce own --scale smoke --include 'my figures'`" in page
    assert "| Own runs finish. | 1 | **holds** | finished runs: synthetic 1 of 1 |" in page
    unknown = run("own")
    assert "there is no figure or table 'own'" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fig10"], "there is no figure or table 'fig10': did you mean 'fig1'?"),
        (["fig2", "--scale", "huge"], "scale must be smoke, cpu or full; got 'huge'"),
        (["fig2", "--page", "page.html"], "--page must end in .md; got 'page.html'"),
        (["fig2", "--data", "sgemm"], "--data sgemm: expected NAME=PATH, such as sgemm=FILE.csv"),
        (
            ["fig9", "--data", "sgem=x.csv"],
            "--data sgem=x.csv: no run of these figures reads 'sgem': did you mean 'sgemm'? They "
            "read sgemm, gemm",
        ),
        (["fig9", "--data", "sgemm=x.csv"], "--data sgemm=x.csv: there is no such file or folder"),
        (["fig8", "--seeds", "0"], "seeds must be at least 1; got 0"),
        (["fig8", "--include", "own"], "include must be a folder with .toml files of groups"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 1
    assert f"error: {message}" in result.stderr
    assert not list(tmp_path.iterdir())
