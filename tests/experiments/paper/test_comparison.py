"""The distance from a published curve is what it says."""

import math

import pytest

from deepnrc.experiments.paper.comparison import compare, distance
from deepnrc.report.panels import Curve, Panel, PanelGrid


@pytest.mark.parametrize(("scale", "difference"), [("linear", 9.0), ("log", 1.0)])
def test_distance_range_and_correlation(scale, difference):
    ours = Curve("ours", ("a", "b", "c"), {0: (9.0, 20.0, 30.0), 1: (11.0, 20.0, 30.0)})
    theirs = Curve(
        "published", ("a", "b", "c", "d"), {0: (1.0, 20.0, 3.0, 4.0)}, "published", "ours"
    )
    panel = Panel("", "d", "two\nlines", (ours, theirs), scale=scale)
    [found] = compare(PanelGrid([[panel]]))
    assert (found.layers, found.within, found.quantity) == (3, 1, "two lines")
    assert found.difference == pytest.approx(difference, rel=1e-12)
    assert found.correlation == pytest.approx(0.5)  # ranks 1 2 3 against 1 3 2
    assert found.logarithmic == (scale == "log")


def test_a_curve_beside_nothing_is_not_compared():
    theirs = Curve("published", ("a",), {0: (1.0,)}, "published")
    assert compare(PanelGrid([[Panel("", "d", "q", (theirs,))]])) == []


def test_decades_are_of_positive_values():
    ours = Curve("ours", ("a", "b"), {0: (0.0, 100.0)})
    theirs = Curve("published", ("a", "b"), {0: (1.0, 1.0)}, "published", "ours")
    assert distance(ours, theirs, logarithmic=True) == pytest.approx(2.0, rel=1e-12)
    assert distance(ours, theirs, logarithmic=False) == pytest.approx(50.0, rel=1e-12)
    nothing = Curve("published", ("c",), {0: (1.0,)}, "published", "ours")
    assert math.isnan(distance(ours, nothing, logarithmic=False))
