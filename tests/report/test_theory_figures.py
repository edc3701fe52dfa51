"""Figures of the theory: what they draw is what the theory says."""

import pytest

from deepnrc.report.figures import save_figure
from deepnrc.report.theory_figures import FIGURES


@pytest.mark.parametrize("name", ["regimes", "weights", "interpolation", "preprocessing", "deep"])
def test_every_figure_is_drawn_and_saved(tmp_path, name):
    figure = FIGURES[name]()
    [path] = save_figure(figure, tmp_path / name, kinds=("png",))
    assert path.stat().st_size > 20_000
    assert all(axes.get_xlabel() or figure.get_supxlabel() for axes in figure.axes)


def test_the_solver_s_points_lie_on_the_closed_form():
    loss = FIGURES["regimes"]().axes[2]
    line, dots, *thresholds = loss.get_lines()
    assert line.get_ydata()[::10] == pytest.approx(dots.get_ydata(), rel=1e-9)
    # Eigenvalues of [[2, .6], [.6, 1]]: 1.5 ± √.61.
    places = [threshold.get_xdata()[0] for threshold in thresholds]
    assert places == pytest.approx([1.5 + 0.61**0.5, 1.5 - 0.61**0.5])


def test_raw_wins_for_large_targets_and_loses_for_small_ones():
    _, large, small = FIGURES["preprocessing"]().axes
    for axes, better in ((large, True), (small, False)):
        raw, standardized, _ = axes.get_lines()
        assert bool(raw.get_ydata()[0] < standardized.get_ydata()[0]) is better
