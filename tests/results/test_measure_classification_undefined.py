"""Neural collapse that is undefined, and why."""

import math

import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.errors import ArgumentError
from deepnrc.metrics.catalogue import CLASS_CATALOGUE
from helpers import (
    classes_data,
    in_batches,
    regression_data,
    small_network,
)
from networks import Simplex


def measured(model, loader, **options):
    options = {"task": "classification", **options}
    return deepnrc.measure(model, loader, progress=False, **options)


def test_a_network_that_gives_no_scores():
    x, labels = classes_data(C=2)
    model = small_network(t=1)
    got = measured(model, [(x, labels)], classes=2)
    reason = (
        "the model returned shape (120, 1) for targets of shape (120, 2): pass forward= that "
        "returns matching predictions"
    )
    assert math.isnan(got.accuracy)
    assert got.undefined["accuracy"] == reason
    assert got["2"].collapse.undefined["nearest_mean_agreement"] == reason
    assert not math.isnan(got["2"].collapse.within_class_share)
    assert f"model's own accuracy undefined: {reason}" in str(got)
    as_scores = measured(
        model, [(x, labels)], forward=lambda model, x: torch.cat([0 * model(x), model(x)], 1)
    )
    assert as_scores.accuracy == pytest.approx(
        ((model(x)[:, 0] > 0) == labels).double().mean().item()
    )


def test_one_odd_batch_leaves_agreement_undefined():
    x, labels = classes_data(48)
    calls = []

    def forward(model, x):
        calls.append(model(x))
        return None if len(calls) == 5 else calls[-1]  # the first of the second pass

    got = measured(small_network(t=4), in_batches(x, labels), classes=4, forward=forward)
    assert not math.isnan(got.accuracy)
    reason = got["2"].collapse.undefined["nearest_mean_agreement"]
    assert reason.startswith("the model returned a NoneType, not a tensor")


def test_errors_and_conditions_of_regression_are_undefined():
    got = measured(small_network(t=4), [classes_data()])
    reason = (
        "scores of classes are no predictions of the one-hot targets (if they are, measure them "
        "with task='regression')"
    )
    assert got.undefined == {
        "model_mse": reason,
        "model_r2": reason,
        "last_layer": "the conditions of 2024 are for regression",
    }
    assert got.last_layer is None
    assert not math.isnan(got["2"].linear_prediction_mse)


def test_a_layer_that_saw_no_rows():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.spare = nn.Linear(8, 4), nn.Linear(8, 4)

        def forward(self, x):
            return self.fc(x)

    got = measured(Unused(), [classes_data()])
    spare = got["spare"].collapse
    assert set(spare.undefined) == set(CLASS_CATALOGUE)
    assert spare.undefined["within_class_share"].startswith("the layer saw no rows")
    assert all(map(math.isnan, spare.values.values()))
    assert got["fc"].collapse.class_weight_cosine != 0


def test_a_dead_layer():
    model = small_network(t=4)
    with torch.no_grad():
        model[0].bias.fill_(-1e3)
    got = measured(model, [classes_data()])
    reason = "the layer is dead: its features are 0 for every sample"
    assert set(got["2"].collapse.undefined.values()) == {reason}
    assert reason in str(got)


def test_a_regression_has_no_classes():
    got = deepnrc.measure(small_network(), [regression_data(40)])
    assert (got.task, got.class_counts, got.accuracy) == ("regression", (), None)
    assert got["0"].collapse is None


def test_the_diagnosis_takes_nc4_for_nrc4():
    labels = torch.arange(40) % 4
    rows = torch.eye(4, dtype=torch.float64)[labels]
    got = deepnrc.diagnose(measured(Simplex(), [(rows, labels)]))
    # What is embedded are the one-hot rows themselves: a simplex as well, read whole.
    assert got.first_collapsed_layer == "embed"
    conditions = got.verdicts[1].conditions
    assert [c.name for c in conditions] == ["nrc1", "nrc2", "nrc3", "nc4"]
    assert conditions[3].explanation == "NC4 1.000 ≥ 0.95"
    assert "NRC3 ≥ 0.8, NC4 ≥ 0.95; intrinsic" in str(got)
    assert "layer  NRC1  NRC2  NRC3  NC4  collapsed" in str(got)
    at_the_limit = deepnrc.diagnose(measured(Simplex(), [(rows, labels)]), agreement_tol=1.0)
    assert at_the_limit.verdicts[1].conditions[3].satisfied is True
    model = Simplex()
    with torch.no_grad():
        model.read.weight.copy_(-model.read.weight)
    got = deepnrc.diagnose(measured(model, [(rows, labels)]))
    assert got.verdicts[1].conditions[3].explanation == "NC4 0.000 < 0.95"
    assert (got.first_collapsed_layer, dict(got.first_collapsed_by_rule)["nrc1"]) == (None, "embed")
    with pytest.raises(ArgumentError, match="agreement_tol must be at least 0 and at most 1; got"):
        deepnrc.diagnose(measured(model, [(rows, labels)]), agreement_tol=2.0)


def test_the_diagnosis_says_why_nc4_is_undefined():
    x, labels = classes_data(C=2)
    got = deepnrc.diagnose(measured(small_network(t=1), [(x, labels)], classes=2))
    condition = got.verdicts[0].conditions[3]
    assert condition.satisfied is None
    assert condition.explanation.startswith("NC4 undefined: the model returned shape (120, 1)")
