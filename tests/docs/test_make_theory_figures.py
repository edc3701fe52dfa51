"""Figures of the theory's page: what they draw is what the theory says."""

import importlib.util
from pathlib import Path

import pytest

from deepnrc.errors import FileError

PATH = Path(__file__).parents[2] / "docs" / "make_theory_figures.py"
spec = importlib.util.spec_from_file_location("make_theory_figures", PATH)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


@pytest.mark.parametrize("name", ["regimes", "weights", "interpolation", "preprocessing", "deep"])
def test_every_figure_is_drawn_and_saved(tmp_path, name, monkeypatch, capsys):
    figure = script.FIGURES[name]()
    monkeypatch.setattr(script, "FIGURES", {name: lambda: figure})
    script.main(tmp_path)
    path = tmp_path / f"theory-{name}.png"
    assert capsys.readouterr().out == f"Written: {path}\n"
    assert path.stat().st_size > 20_000
    assert all(axes.get_xlabel() or figure.get_supxlabel() for axes in figure.axes)
    assert (script.IMAGES / path.name).is_file()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        script.main(tmp_path / "missing")


def test_the_points_of_the_solver_lie_on_the_closed_form():
    loss = script.FIGURES["regimes"]().axes[2]
    line, dots, *thresholds = loss.get_lines()
    assert line.get_ydata()[::10] == pytest.approx(dots.get_ydata(), rel=1e-9)
    # Eigenvalues of [[2, .6], [.6, 1]]: 1.5 ± √.61.
    places = [threshold.get_xdata()[0] for threshold in thresholds]
    assert places == pytest.approx([1.5 + 0.61**0.5, 1.5 - 0.61**0.5])


def test_raw_wins_for_large_targets_and_loses_for_small_ones():
    _, large, small = script.FIGURES["preprocessing"]().axes
    for axes, better in ((large, True), (small, False)):
        raw, standardized, _ = axes.get_lines()
        assert bool(raw.get_ydata()[0] < standardized.get_ydata()[0]) is better
