"""The options of a measurement: refused where they are written, carried in one record."""

import dataclasses
import inspect

import pytest
import torch

import deepnrc
from deepnrc import MeasureOptions, Metric
from deepnrc.errors import ArgumentError
from helpers import regression_data, small_network


@pytest.mark.parametrize("function", [deepnrc.measure, deepnrc.collect, deepnrc.evaluate])
def test_every_option_is_in_the_signature_and_the_docstring(function):
    shown = inspect.signature(function).parameters
    for field in dataclasses.fields(MeasureOptions):
        assert shown[field.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[field.name].default == field.default
        assert f"        {field.name}: " in function.__doc__
    assert "options: " not in function.__doc__


def test_every_field_of_the_record_is_described():
    described = MeasureOptions.__doc__.partition("Attributes:")[2]
    for field in dataclasses.fields(MeasureOptions):
        assert f"\n        {field.name}: " in described


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer": "2"}, r"there is no option 'layer': did you mean 'layers'\? There are layers, "),
        ({"precision": "half"}, "precision must be 'mixed' or 'double'; got 'half'"),
        (
            {"last_layer": "2024"},
            "last_layer must be 'paper2024', 'centred' or None; got '2024'",
        ),
        ({"options": {"center": False}}, "options must be a deepnrc.MeasureOptions; got a dict"),
        (
            {"metrics": [Metric("linear_cka", len)]},
            "metrics: there is a metric 'linear_cka' already: choose another name",
        ),
    ],
)
def test_refused_before_any_batch_is_read(given, message):
    def never():
        pytest.fail("a batch was drawn")
        yield

    with pytest.raises(ArgumentError, match=message):
        deepnrc.measure(small_network(), never(), **given)


def test_the_old_name_of_rcond_is_understood_with_a_warning():
    with pytest.warns(FutureWarning, match="rtol= is now called rcond="):
        measurement = deepnrc.measure(small_network(), [regression_data()], rtol=1e-5)
    assert measurement.rcond == 1e-5
    with pytest.warns(FutureWarning, match=r"Measurement\.rtol is now called rcond"):
        assert measurement.rtol == 1e-5
    assert measurement.to_dict()["rtol"] == 1e-5  # files keep the key that older versions read


def test_a_record_is_passed_on_and_changed_by_keywords():
    record = MeasureOptions(center=False, progress=False)
    batch = regression_data()
    changed = deepnrc.measure(small_network(), [batch], options=record, intercept=False)
    assert (changed.center, changed.intercept) == (False, False)
    assert deepnrc.measure(small_network(), [batch], options=record).intercept


def test_what_was_summed_cannot_be_evaluated_otherwise():
    collected = deepnrc.collect(small_network(), [regression_data()], progress=False)
    assert deepnrc.evaluate(collected, center=False).center is False
    message = "reduce cannot change after the rows were summed: pass it to collect; what can"
    with pytest.raises(ArgumentError, match=message):
        deepnrc.evaluate(collected, reduce="last")


def test_options_of_collect_are_those_of_evaluate_unless_changed():
    collected = deepnrc.collect(small_network(), [regression_data()], center=False, signal_rank=1)
    assert deepnrc.evaluate(collected).signal_rank == 1
    assert deepnrc.evaluate(collected).center is False
    assert deepnrc.evaluate(collected, center=True).signal_rank == 1


def test_a_device_may_be_given_as_an_object():
    assert MeasureOptions(device=torch.device("cpu")).device.type == "cpu"
