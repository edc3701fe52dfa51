"""The layer figure: what it draws, read back from matplotlib's own objects."""

import math

import pytest
import torch

from deepnrc import diagnose, measure
from deepnrc.errors import ArgumentError, FileError
from deepnrc.models import MLP
from deepnrc.report.figures import layer_figure, save_figure


@pytest.fixture(scope="module")
def run():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 5, generator=generator)
    model = MLP(5, 2, width=8, depth=4, generator=generator)
    noise = 0.1 * torch.randn(200, 2, generator=generator)
    measurement = measure(model, [(inputs, model(inputs).detach() + noise)], progress=False)
    last = max(measurement[layer].noise_component for layer in ("fc3", "fc4"))
    return measurement, diagnose(measurement, noise_tol=last, rule="nrc1")


def _lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_panels_hold_the_measurements(run):
    measurement, _ = run
    axes = layer_figure({"net": run}).axes
    names = (
        "noise_component",
        "signal_target_cka",
        "feature_weight_alignment",
        "linear_prediction_mse",
    )
    assert len(axes) == 4
    for panel, name in zip(axes, names, strict=True):
        drawn = list(_lines(panel)["layers"].get_ydata())
        assert drawn == [getattr(layer, name) for layer in measurement]
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == [
        "fc1",
        "fc2",
        "fc3",
        "fc4",
    ]
    assert axes[0].get_yscale() == axes[3].get_yscale() == "log"
    assert axes[1].get_ylim() == axes[2].get_ylim() == (-0.03, 1.05)  # all of [0, 1], always


def test_lines_mark_collapse_chance_and_the_models_error(run):
    measurement, diagnosis = run
    axes = layer_figure({"net": run}).axes
    first = measurement.names.index(diagnosis.first_collapsed_layer)
    assert first == 2  # not where a line lands by default
    for panel in axes:
        assert list(_lines(panel)["first collapsed layer"].get_xdata()) == [first, first]
    own = _lines(axes[3])["model's own MSE"]
    assert measurement.model_mse > 0
    assert list(own.get_ydata()) == [measurement.model_mse] * 2
    assert own.get_linestyle() == "--"
    chance = list(_lines(axes[2])["unrelated subspaces"].get_ydata())
    assert chance == [layer.random_alignment for layer in measurement]


def test_no_green_line_without_collapse_and_one_column_a_network(run):
    measurement, _ = run
    not_collapsed = (measurement, diagnose(measurement, noise_tol=0.0))
    figure = layer_figure({"a": run, "b": not_collapsed}, note="made from x")
    assert figure.get_supxlabel() == "made from x"
    axes = figure.axes
    assert len(axes) == 8
    titles = {panel.get_title() for panel in axes} - {""}
    assert titles == {"a", "b"}
    collapsed = [panel for panel in axes if "first collapsed layer" in _lines(panel)]
    assert len(collapsed) == 4


def test_undefined_values_leave_a_gap():
    inputs = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    model = MLP(3, 2, width=4, depth=2, generator=torch.Generator().manual_seed(0))
    measurement = measure(model, [(inputs, torch.ones(20, 2))], progress=False)
    axes = layer_figure({"net": (measurement, diagnose(measurement))}).axes
    assert all(math.isnan(value) for value in _lines(axes[1])["layers"].get_ydata())


def test_files_are_the_same_each_time_and_only_whole(run, tmp_path):
    first = save_figure(layer_figure({"net": run}), tmp_path / "a", ("png", "pdf", "svg"))
    again = save_figure(layer_figure({"net": run}), tmp_path / "b", ("png", "pdf"))
    assert [path.name for path in first] == ["a.png", "a.pdf", "a.svg"]
    assert [x.read_bytes() for x in first[:2]] == [x.read_bytes() for x in again]
    assert len(list(tmp_path.iterdir())) == 5


def test_messages(run, tmp_path):
    with pytest.raises(ArgumentError, match=r"runs must hold at least one .* it is empty"):
        layer_figure({})
    with pytest.raises(FileError, match=r"cannot write '.*absent/x.png'"):
        save_figure(layer_figure({"net": run}), tmp_path / "absent" / "x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x.png").mkdir()  # drawn, but not to be put in place
    with pytest.raises(FileError, match=r"cannot write '.*/x.png': Is a directory"):
        save_figure(layer_figure({"net": run}), tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_a_long_note_is_not_cut_off(run):
    note = "5000 (state, action) pairs of an expert, trained on this machine " * 3 + "\nseed 0"
    figure = layer_figure({"net": run}, note=note)
    figure.canvas.draw()
    assert figure.get_supxlabel().split() == note.split()
    (text,) = [x for x in figure.texts if x.get_text() == figure.get_supxlabel()]
    extent = text.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width
