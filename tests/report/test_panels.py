"""Bands are quantiles, frames hold every value, undefined stays undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.errors import ArgumentError
from deepnrc.report.heat_maps import HeatMaps, HeatPanel, heat_figure, heat_frame
from deepnrc.report.panel_figures import panel_figure
from deepnrc.report.panels import Curve, Panel, PanelGrid, band, median, panel_frame

FINITE = st.floats(-1e9, 1e9)


@given(st.lists(FINITE, min_size=1, max_size=9))
def test_a_band_is_numpys_quantiles(values):
    curve = Curve("c", (1.0,), dict(enumerate([v] for v in values)))
    found = band(curve)
    expected = np.quantile(values, [0.1, 0.5, 0.9])
    got = [found.low[0], found.middle[0], found.high[0]]
    # Interpolated once: rounding of the two neighbours' difference.
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-6)


def test_a_band_leaves_out_what_is_undefined():
    found = band(
        Curve("c", ("a", "b"), {0: (1.0, math.nan), 1: (3.0, math.nan), 2: (math.nan,) * 2})
    )
    assert found.middle[0] == 2.0
    assert math.isnan(found.middle[1])
    assert math.isnan(median([]))


def test_a_frame_has_every_value_once():
    curves = (
        Curve("ours", ("fc1", "fc2"), {4: (1.0, 2.0), 5: (3.0, math.nan)}),
        Curve("published", ("fc1",), {0: (9.0,)}, "published"),
    )
    panel = Panel("t", "data", "two\nlines", curves)
    table = panel_frame("fig0", PanelGrid([[panel]]))
    assert set(table["figure"]) == {"fig0"}
    assert table["seed"].astype(object).where(table["seed"].notna(), None).tolist() == [
        4,
        4,
        5,
        5,
        None,
    ]
    assert table["value"].tolist()[:3] == [1.0, 2.0, 3.0]
    assert set(table["quantity"]) == {"two lines"}
    assert set(table["panel"]) == {1}


def drawn(scale="linear", x=("fc1", "fc2"), values=None, **options):
    curve = Curve("ours", x, values or {0: (1.0, 2.0), 1: (2.0, 4.0)})
    panel = Panel("p", "d", "q", (curve,), scale=scale, **options)
    return panel_figure(PanelGrid([[panel]]), ("A title.", "from"))


def test_a_panel_shows_median_band_and_mark():
    axes = drawn(mark=("fc2", "first collapsed layer")).axes[0]
    line, mark = axes.lines
    assert list(line.get_ydata()) == [1.5, 3.0]
    assert list(mark.get_xdata()) == [1, 1]
    assert len(axes.collections) == 1  # the band
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["fc1", "fc2"]


def test_the_sources_and_seeds_stand_below():
    text = drawn().get_supxlabel()
    assert text == "A title.\nfrom\nLines: median of 2 seeds; bands: 10–90 %."
    curves = tuple(Curve("c", ("a",), dict.fromkeys(range(n), (1.0,))) for n in (1, 3))
    mixed = PanelGrid([[Panel("", "d", "q", curves)]])
    assert (
        panel_figure(mixed)
        .get_supxlabel()
        .endswith("median of 1 to 3 seeds; bands: 10–90 %; where there is no band, a single run.")
    )
    assert drawn(values={0: (1.0, 2.0)}).get_supxlabel().endswith("Single runs: no bands.")


@pytest.mark.parametrize("values", [{0: (0.0, 0.0)}, {0: (math.nan, math.nan)}, {0: (0.0, 1e-30)}])
@pytest.mark.parametrize("scale", ["log", "linear", "unit"])
def test_nothing_to_show_is_drawn_without_a_warning(scale, values):
    drawn(scale, values=values).canvas.draw()


def test_a_setting_has_one_colour_in_all_panels():
    def levels(*labels):
        curves = tuple(
            Curve(label, (1.0, 2.0, 3.0), {0: (1.0, 2.0, 3.0)}, "level") for label in labels
        )
        return Panel("", "d", "q", curves)

    rows = [[levels("decay 0", "decay 5"), levels("decay 0", "decay 1")]]
    one, two = panel_figure(PanelGrid(rows)).axes
    assert one.lines[0].get_color() == two.lines[0].get_color()
    assert one.lines[1].get_color() != two.lines[1].get_color()
    [legend] = one.get_figure().legends
    assert [text.get_text() for text in legend.get_texts()] == ["decay 0", "decay 1", "decay 5"]


def test_epochs_are_shown_from_0_on():
    axes = drawn(x=(0.0, 1000.0), x_scale="symlog").axes[0]
    assert axes.get_xlim()[0] == 0.0


def test_a_figure_without_panels():
    with pytest.raises(ArgumentError, match="grid must hold at least one panel; it is empty"):
        panel_figure(PanelGrid(()))


def test_a_map_shows_median_and_range():
    cells = {(0.0, 32.0): {0: 1.0, 1: 3.0, 2: 2.0}, (1.0, 32.0): {0: math.nan}}
    panel = HeatPanel("depth 4", "synthetic", (0.0, 1.0), (32.0,), cells)
    maps = HeatMaps("decay", "width", "layers", (panel,))
    drawn = heat_figure(maps, ("Title.", "from"))
    assert [text.get_text() for text in drawn.axes[0].texts] == ["2\n(1–3)", "–"]
    small = "Title.\nfrom\nlayers: median of 1–3 seeds, in brackets their range."
    assert drawn.get_supxlabel() == small
    table = heat_frame("map", maps)
    assert set(table["figure"]) == {"map"}
    assert table["value"].tolist()[:3] == [1.0, 3.0, 2.0]
    assert table["series"][0] == "width = 32; depth 4"
