"""Every figure and table is made from its runs, drawn, and written; numbers are the runs' own."""

import pandas as pd
import pytest

from deepnrc.errors import ArgumentError, DataError
from deepnrc.experiments.paper.items import ITEM_NAMES, find_items
from deepnrc.experiments.paper.products import write_product
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import COLUMNS, PanelFigure, frame

FILES = {".pdf", ".svg", ".png", ".csv", ".txt"}


@pytest.mark.parametrize("name", ITEM_NAMES)
def test_each_item_is_made_and_written(name, groups, tmp_path):
    [item] = find_items([name]).values()
    product = item.make({group: groups[group] for group in item.GROUPS})
    assert (product.name, product.title) == (name, item.TITLE)
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
    assert text.startswith(f"{name}: {item.TITLE}\n")
    assert "in miniature" in text  # how the scale departs from the paper is always said


def test_a_panel_holds_the_runs_own_numbers(groups):
    [item] = find_items(["fig2"]).values()
    figure = item.make({group: groups[group] for group in item.GROUPS})
    assert isinstance(figure, PanelFigure)
    table = frame(figure)
    run = groups["hopper"].runs[1]
    assert "stands at fc5, its network's own MSE is 0.136." in figure.text  # Swimmer's
    rows = table[(table.panel == 2) & (table.series == "our runs") & (table.seed == run.seed)]
    expected = [layer.noise_component for layer in run.measurement]
    assert rows["value"].tolist() == expected
    assert rows["x"].tolist() == list(run.measurement.names)


def test_published_curves_can_be_left_out(groups, tmp_path):
    [item] = find_items(["fig6"]).values()
    figure = item.make({group: groups[group] for group in item.GROUPS})
    write_product(figure, tmp_path, kinds=("png",), published=False)
    assert "published" not in (tmp_path / "fig6.csv").read_text()
    write_product(figure, tmp_path, kinds=("png",))
    table = pd.read_csv(tmp_path / "fig6.csv")
    theirs = table[(table.series == "published") & (table.panel == 1)]
    assert theirs["value"].tolist()[:2] == [0.5233274, 0.6005026]
    assert theirs["seed"].isna().all()


def test_all_is_every_item_in_the_papers_order():
    assert tuple(find_items(["all"])) == ITEM_NAMES
    assert tuple(find_items(["fig6", "fig2"])) == ("fig2", "fig6")


def test_an_unknown_figure():
    with pytest.raises(ArgumentError, match=r"no figure or table 'fig10'; did you mean 'fig1'\?"):
        find_items(["fig10"])


def test_a_figure_says_which_settings_failed(miniature_runs, groups):
    runs = groups["sgemm-decay"]
    lost = {
        member.name: "the loss is nan" for member in runs.where(weight_decay=0.001).plan.members
    }
    left = GroupRuns(runs.plan, runs.where(weight_decay=0.0).runs, lost)
    [item] = find_items(["fig9"]).values()
    figure = item.make({"sgemm-decay": left})
    assert [curve.label for curve in figure.rows[0][0].curves] == ["decay 0"]
    assert "decay 0.001: SGEMM: no run came to its end (2 failed)." in figure.text
    [item] = find_items(["fig7"]).values()
    with pytest.raises(DataError, match="SGEMM: no run came to its end"):
        item.make({"sgemm-decay": left})
