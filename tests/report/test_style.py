"""What figures by layer share: limits of a logarithmic axis, names of layers, small print."""

import pytest
from matplotlib.figure import Figure

from deepnrc.report import style


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-3, 1.0], (5e-4, 2.0)),
        ([0.5, 1.0], (0.02, 2.0)),  # two decades at least
        ([1e-30, 1.0], (5e-17, 2.0)),  # below 1e-16 of the largest there is rounding only
        ([0.0, -1.0, 2.0], (0.04, 4.0)),
        ([0.0, float("nan")], None),
    ],
)
def test_limits_of_a_logarithmic_axis(values, expected):
    found = style.log_limits(values)
    # One division or multiplication: the last bit.
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-15))


@pytest.mark.parametrize(
    ("count", "shown", "rotation"), [(24, 24, 0), (25, 13, 0), (49, 17, 0), (5, 5, 90)]
)
def test_at_most_24_names_and_long_ones_upright(count, shown, rotation):
    axes = Figure().subplots()
    names = [f"layer{i}" if rotation else f"fc{i}" for i in range(count)]
    style.name_layers(axes, names, fontsize=7)
    labels = axes.get_xticklabels()
    assert len(labels) == shown
    assert labels[1].get_text() == names[-(-count // 24)]
    assert {label.get_rotation() for label in labels} == {float(rotation)}


def test_small_print_is_wrapped_but_for_its_last_line():
    figure = Figure()
    style.small_print(figure, ["one two", "three"], fontsize=7, characters=5.9, last="four five")
    assert figure.get_supxlabel() == "one\ntwo\nthree\nfour five"
