"""Every figure and table is made from its runs, drawn and written, with the numbers of the runs."""

import pandas as pd
import pytest

from deepnrc.errors import ArgumentError, DataError
from deepnrc.experiments.paper.catalog import figures, find_figures
from deepnrc.experiments.paper.figure import Figure
from deepnrc.experiments.paper.products import write_product
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import COLUMNS, PanelGrid, panel_frame
from deepnrc.support.text import Table

FILES = {".pdf", ".svg", ".png", ".csv", ".txt"}


@pytest.mark.parametrize("name", find_figures(["all"]))
def test_each_figure_is_made_and_written(name, groups, tmp_path):
    figure = figures().find(name)
    product = figure.make({group: groups[group] for group in figure.groups})
    assert (product.name, product.title) == (name, figure.title)
    files = write_product(product, tmp_path, kinds=("png",))
    suffixes = {file.suffix for file in files}
    assert suffixes == (
        {".md", ".csv", ".txt"} if name.startswith("table") else FILES - {".pdf", ".svg"}
    )
    assert all(file.stat().st_size > 0 for file in files)
    table = pd.read_csv(tmp_path / f"{name}.csv")
    if not name.startswith("table"):
        assert list(table.columns) == list(COLUMNS)
        assert set(table["figure"]) == {name}
    text = (tmp_path / f"{name}.txt").read_text()
    assert text.startswith(f"{name}: {figure.title}\n")
    assert "in miniature" in text  # how the scale departs from the paper is always said


def test_a_panel_holds_the_runs_own_numbers(groups):
    figure = figures().find("fig2").make(groups)
    assert isinstance(figure.content, PanelGrid)
    table = panel_frame("fig2", figure.content)
    run = groups["hopper"].runs[1]
    assert "the first collapsed layer is fc5 and the MSE 0.136." in figure.text  # Swimmer's
    rows = table[(table.panel == 2) & (table.series == "our runs") & (table.seed == run.seed)]
    expected = [layer.noise_component for layer in run.measurement]
    assert rows["value"].tolist() == expected
    assert rows["x"].tolist() == list(run.measurement.names)


def test_published_curves_can_be_left_out(groups, tmp_path):
    figure = figures().find("fig6").make(groups)
    write_product(figure, tmp_path, kinds=("png",), published=False)
    assert "published" not in (tmp_path / "fig6.csv").read_text()
    write_product(figure, tmp_path, kinds=("png",))
    table = pd.read_csv(tmp_path / "fig6.csv")
    theirs = table[(table.series == "published") & (table.panel == 1)]
    assert theirs["value"].tolist()[:2] == [0.5233274, 0.6005026]
    assert theirs["seed"].isna().all()


def test_a_figure_says_which_settings_failed(miniature_runs, groups):
    runs = groups["sgemm-decay"]
    lost = {
        member.name: "the loss is nan" for member in runs.where(weight_decay=0.001).plan.members
    }
    left = GroupRuns(runs.plan, runs.where(weight_decay=0.0).runs, lost)
    figure = figures().find("fig9").make({"sgemm-decay": left})
    assert [curve.label for curve in figure.content.rows[0][0].curves] == ["decay 0"]
    assert "decay 0.001: SGEMM: no run finished (2 failed)." in figure.text
    with pytest.raises(DataError, match="SGEMM: no run finished"):
        figures().find("fig7").make({"sgemm-decay": left})
    nothing = GroupRuns(runs.plan, (), lost)
    with pytest.raises(DataError, match="SGEMM: no run finished"):
        figures().find("fig9").make({"sgemm-decay": nothing})


def test_a_figure_gets_the_runs_that_it_asks_for(groups):
    figure = Figure(
        name="own",
        title="t",
        groups=("hopper", "synthetic-decay"),
        only={"synthetic-decay": {"weight_decay": 0.001}},
        content=lambda chosen: Table(tuple(str(len(runs)) for runs in chosen), (), ()),
        findings=lambda chosen: [runs.title for runs in chosen],
        made_from=lambda chosen: ["nothing"],
    )
    product = figure.make(groups)
    assert (product.content.headings, product.made_from) == (("2", "2"), ("nothing",))
    assert product.findings == ("Hopper, 8 × 256", "synthetic, t = 10, r = 2")


@pytest.mark.parametrize("name", ["all", "Fig1", "fig_1", "../fig1", "fig1.", "", "-fig", "fig\n"])
def test_a_name_must_be_that_of_a_file(name):
    with pytest.raises(ArgumentError, match="name must be lower-case letters, digits and hyphens"):
        Figure(name=name, title="t", groups=(), content=list)


def test_settings_are_those_of_a_group_of_the_figure():
    with pytest.raises(
        ArgumentError, match="only: 'c' is not among the groups of figure 'f', a, b"
    ):
        Figure(name="f", title="t", groups=("a", "b"), content=list, only={"c": {}})
