"""The published curves are package data."""

import pytest

from deepnrc.experiments.paper.published import published, with_published
from deepnrc.report.panels import Curve


def test_values_and_lines_of_the_paper():
    curve = published("hopper", "linear_prediction_mse")
    assert curve.layers == tuple(f"fc{i}" for i in range(1, 9))
    assert (curve.values[0], curve.reference) == (0.4705958, 0.0912658)
    assert curve.first_collapsed_layer == "fc5"
    assert published("sgemm", "noise_component").values[4] == 3.09899e-06
    assert published("sgemm_rank1", "noise_component").values[0] == 0.8987145
    assert published("synthetic_rank2", "top_alignment").values[0] == 0.4346821
    assert published("synthetic_rank2", "noise_weight_alignment").values[0] == 0.8741106


@pytest.mark.parametrize(
    ("paper", "quantity"), [("", "noise_component"), ("hopper", "stable_rank")]
)
def test_what_the_paper_does_not_show(paper, quantity):
    assert published(paper, quantity) is None


def test_layers_that_are_not_the_papers_have_no_overlay():
    ours = (Curve("ours", ("a", "b"), {0: (1.0, 2.0)}),)
    assert with_published(ours, "hopper", "noise_component") == ours
