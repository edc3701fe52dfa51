"""Metrics from outside the package: measured, shown, stored."""

import math

import pytest

import deepnrc
from deepnrc import LayerView, Metric, Undefined
from deepnrc.errors import ArgumentError
from helpers import regression_data, small_network


def energy(view: LayerView):
    return float(view.moments.feature_covariance.trace())


def ratio(view: LayerView):
    if view.width == 16:
        return Undefined("the hidden layer has no ratio")
    return view.width / view.moments.target_dim


METRICS = [Metric("energy", energy), Metric("ratio", ratio)]


@pytest.fixture
def measurement():
    return deepnrc.measure(small_network(), [regression_data(40)], metrics=METRICS)


def test_its_values_are_those_of_the_layers(measurement):
    x, _ = regression_data(40)
    assert measurement["0"].extra["energy"] == pytest.approx(float(x.var(0, correction=0).sum()))
    assert measurement["0"].extra["ratio"] == 4.0
    assert math.isnan(measurement["2"].extra["ratio"])
    assert measurement["2"].undefined["ratio"] == "the hidden layer has no ratio"
    assert measurement["0"].values["ratio"] == 4.0


def test_it_is_in_the_table_and_the_frame(measurement):
    heading, _, first, second = str(measurement.table).splitlines()[:4]
    assert heading.split()[-2:] == ["energy", "ratio"]
    assert first.endswith("4.000")
    assert "–[" in second.split()[-1]
    assert "the hidden layer has no ratio" in str(measurement)
    assert measurement.to_frame().loc["0", "ratio"] == 4.0


def test_it_is_stored_and_loaded(measurement, tmp_path):
    measurement.save(tmp_path / "m.json")
    loaded = deepnrc.load(tmp_path / "m.json")
    assert loaded["0"].extra == measurement["0"].extra
    assert math.isnan(loaded["2"].extra["ratio"])
    assert str(loaded) == str(measurement)
    assert (
        "extra" not in deepnrc.measure(small_network(), [regression_data()]).to_dict()["layers"][0]
    )


def test_a_layer_that_is_not_called_has_it_undefined():
    model = small_network()
    model.register_module("spare", small_network())
    model.forward = lambda x: model[2](model[1](model[0](x)))
    got = deepnrc.measure(model, [regression_data(40)], metrics=METRICS)
    assert math.isnan(got["spare.0"].extra["energy"])
    assert got["spare.0"].undefined["energy"].startswith("the layer saw no rows")


@pytest.mark.parametrize("name", ["", "my metric", "2nd"])
def test_names_are_identifiers(name):
    with pytest.raises(ArgumentError, match="name must be a Python identifier, such as 'my_"):
        Metric(name, energy)
