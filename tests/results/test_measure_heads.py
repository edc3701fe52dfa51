"""Several targets: a measurement and a diagnosis for each head, from one pass over the data."""

from collections import UserDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import deepnrc
from deepnrc import HeadMeasurements, measure_heads
from deepnrc.errors import ArgumentError, DataError, FileError, NonFiniteError
from helpers import in_batches, regression_data, seeded


class Actor(nn.Module):
    """A policy and a value on a shared body; the policy has a layer of its own."""

    def __init__(self, returned=dict):
        super().__init__()
        self.returned, self.calls = returned, 0
        with seeded():
            self.body, self.policy = nn.Linear(8, 16), nn.Linear(16, 12)
            self.mean, self.value = nn.Linear(12, 2), nn.Linear(16, 1)

    def forward(self, x):
        self.calls += 1
        h = self.body(x).relu()
        value = self.value(h)
        return self.returned(mean=self.mean(self.policy(h).tanh()), value=value)


class Both(NamedTuple):
    mean: torch.Tensor
    value: torch.Tensor


@dataclass
class Output:
    mean: torch.Tensor
    value: torch.Tensor


def as_tuple(mean, value):
    return mean, value


def data(n=60):
    x, mean = regression_data(n)
    return x, mean, x[:, 3] + mean[:, 1]


def pairs(made=dict, size=16):
    return [(x, made(mean=mean, value=value)) for x, mean, value in in_batches(*data(), size=size)]


def alone(head, **options):
    """What `measure` gives for a head by itself."""
    x, mean, value = data()
    y = {"mean": mean, "value": value}[head]
    model = Actor()
    return deepnrc.measure(model, in_batches(x, y), output=head, progress=False, **options)


def measured(*given, **options):
    return measure_heads(*given, progress=False, **options)


def test_each_head_is_measured_as_by_itself():
    model = Actor()
    got = measured(model, pairs(), last_layer="paper2024")
    assert list(got) == ["mean", "value"]
    assert len(got) == 2
    for head in got:
        assert got[head].to_dict() == alone(head, last_layer="paper2024").to_dict()
    assert {layer.name: layer.role for layer in got["mean"]} == {
        **dict.fromkeys(("body", "policy", "mean"), "path"),
        "value": "side",
    }
    assert {layer.name: layer.role for layer in got["value"]} == {
        **dict.fromkeys(("body", "value"), "path"),
        **dict.fromkeys(("policy", "mean"), "side"),
    }
    assert [got[head].last_layer.layer for head in got] == ["mean", "value"]
    assert model.calls == 0  # put back with the rest of the state


def test_all_heads_share_one_pass_of_the_model():
    calls = []

    def forward(model, x):
        calls.append(len(x))
        return model(x)

    loader = pairs()
    measured(Actor(), loader, forward=forward)
    assert calls[1:] == [16, 16, 16, 12]  # after a part of the first batch, each batch once
    calls.clear()
    measured(Actor(), (batch for batch in loader), forward=forward)  # one that is read only once
    assert len(calls) == 5


@pytest.mark.parametrize(
    ("targets", "returned"),
    [(dict, dict), (UserDict, dict), (dict, Both), (dict, Output), (Both, Both), (Output, Output),
     (as_tuple, as_tuple), (as_tuple, Both)],
)  # fmt: skip
def test_heads_find_the_output_of_their_name_or_position(targets, returned):
    got = measured(Actor(returned), pairs(targets))
    assert list(got) == (["0", "1"] if targets is as_tuple else ["mean", "value"])
    for one, head in zip(got.values(), ("mean", "value"), strict=True):
        assert one.to_dict() == alone(head).to_dict()


@pytest.mark.parametrize(
    "outputs",
    [
        {"mean": 0, "value": 1},
        {"mean": lambda out: out[0], "value": lambda out: out[1]},
    ],
)
def test_outputs_says_which_is_whose(outputs):
    got = measured(Actor(as_tuple), pairs(), outputs=outputs)
    assert got["value"].to_dict() == alone("value").to_dict()
    assert got["mean"].to_dict() == alone("mean").to_dict()


def test_heads_of_a_tuple_are_called_by_their_position_in_outputs_too():
    got = measured(Actor(as_tuple), pairs(lambda mean, value: (value, mean)), outputs={0: 1, 1: 0})
    assert got["0"].to_dict() == alone("value").to_dict()
    assert got["1"].to_dict() == alone("mean").to_dict()


def test_a_loader_that_collates_tuples_to_lists():
    x, mean, value = data()
    samples = [(x[i], (mean[i], value[i])) for i in range(len(x))]
    got = measured(Actor(as_tuple), DataLoader(samples, 16))
    assert got["1"].to_dict() == alone("value").to_dict()


def test_one_head_and_a_model_of_one_output():
    x, mean, _ = data()
    with seeded():
        model = nn.Linear(8, 2)
    got = measured(model, [(x, {"mean": mean.numpy()})])
    assert list(got) == ["mean"]
    expected = deepnrc.measure(model, [(x, mean)], progress=False)
    assert got["mean"].to_dict() == expected.to_dict()


def test_an_attribute_of_an_output_that_is_none_leaves_the_error_undefined():
    """Its layers are unknown, not side branches: absence of evidence is not a negative."""

    def forward(model, x):
        return {**model(x), "value": None}

    got = measured(Actor(), pairs(), forward=forward)
    assert "the model returned a NoneType, not a tensor" in got["value"].undefined["model_mse"]
    assert {layer.role for layer in got["value"]} == {"path"}
    assert got["mean"].to_dict() == alone("mean").to_dict()


def test_classification_beside_regression():
    x, mean, value = data()
    labels = (value > 0).long()

    class Mixed(Actor):
        def __init__(self):
            super().__init__()
            with seeded(1):
                self.kind = nn.Linear(16, 3)

        def forward(self, x):
            return {**super().forward(x), "kind": self.kind(self.body(x).relu())}

    loader = [(x, {"mean": mean, "kind": labels, "value": value})]
    options = {"task": {"kind": "classification"}, "last_layer": {"mean": "centred"}}
    got = measured(Mixed(), loader, **options)
    assert [one.task for one in got.values()] == ["regression", "classification", "regression"]
    expected = deepnrc.measure(
        Mixed(), [(x, labels)], output="kind", task="classification", progress=False
    )
    assert got["kind"].to_dict() == expected.to_dict()
    assert got["mean"].last_layer.feature_pca_residual is not None
    assert got["kind"].class_counts == expected.class_counts
    assert len(measured(Mixed(), loader, **options, signal_rank={"mean": 1})["mean"].layers) == 5
    with pytest.raises(ArgumentError, match="takes two passes over the loader, but a generator"):
        measured(Mixed(), (batch for batch in loader), **options)


def test_a_diagnosis_each_by_the_layers_of_its_own_path():
    judged = measured(Actor(), pairs()).diagnose(rule="nrc1", noise_tol=0.9)
    assert list(judged) == ["mean", "value"]
    assert [v.layer for v in judged["mean"].verdicts] == ["body", "policy", "mean"]
    assert [v.layer for v in judged["value"].verdicts] == ["body", "value"]
    expected = deepnrc.diagnose(alone("mean"), rule="nrc1", noise_tol=0.9)
    assert judged["mean"] == expected
    assert judged.headline.splitlines()[0] == f"mean: {expected.headline}"
    assert str(judged).startswith(f"=== mean ===\n{expected}\n\n=== value ===\n")


def test_it_prints_a_table_each_and_gives_a_frame_with_a_level_of_heads(tmp_path):
    got = measured(Actor(), pairs())
    assert str(got) == f"=== mean ===\n{got['mean']}\n\n=== value ===\n{got['value']}"
    frame = got.to_frame()
    assert frame.index.names == ["head", "layer"]
    assert len(frame) == 8
    assert frame.loc[("value", "body"), "linear_r2"] == got["value"]["body"].linear_r2
    assert list(frame.columns) == list(got["mean"].to_frame().columns)
    got.save(tmp_path / "heads.json")
    assert HeadMeasurements.load(tmp_path / "heads.json") == got
    with pytest.raises(FileError, match=r"holds a 'head measurements'; expected one of"):
        deepnrc.load(tmp_path / "heads.json")
    got["mean"].save(tmp_path / "mean.json")
    with pytest.raises(FileError, match=r"holds a 'measurement'; expected one of"):
        HeadMeasurements.load(tmp_path / "mean.json")
    with pytest.raises(KeyError, match=r"no head 'maen'; measured: mean, value"):
        got["maen"]


def refuse(error, text, *given, **options):
    with pytest.raises(error) as caught:
        measured(*given, **options)
    assert text in str(caught.value)


def test_measure_shows_the_call_for_several_targets():
    text = (
        "targets of batch 0 are those of 2 heads, 'mean', 'value': measure each with "
        "deepnrc.measure_heads(model, loader, outputs={'mean': …, 'value': …}), where outputs= "
        "says which of the model's outputs is whose (leave it out where they have the same names "
        "or positions), or pick one with unpack= and output="
    )
    for call in (deepnrc.measure, deepnrc.collect):
        with pytest.raises(DataError) as caught:
            call(Actor(), pairs(), progress=False)
        assert str(caught.value) == text
    with pytest.raises(DataError, match="those of 2 heads, '0', '1': measure each with"):
        deepnrc.measure(Actor(), pairs(as_tuple), progress=False)


def test_rows_in_a_list_are_still_one_target():
    """A collate function that leaves targets in a list gives one vector a sample."""
    x, mean, _ = data(12)
    with seeded():
        model = nn.Linear(8, 2)
    got = deepnrc.measure(model, [(x, list(mean))], progress=False)
    assert got.samples == 12
    assert got.target_dim == 2


@pytest.mark.parametrize(
    ("returned", "options", "text"),
    [
        (
            as_tuple,
            {},
            "head 'mean' has no output of its name: the targets' heads are 'mean', 'value', and "
            "the model returned a tuple of 2: pass outputs={'mean': 0, 'value': 1}, which takes a "
            "key, an index, an attribute or a function for each head",
        ),
        (
            lambda mean, value: {"mean": mean, "values": value},
            {},
            "head 'value' has no output of its name: the targets' heads are 'mean', 'value', and "
            "the model returned a dict with the keys 'mean', 'values': pass outputs={'value': "
            "'values'}",
        ),
        (
            lambda mean, value: mean,
            {},
            "and the model returned one tensor of shape (16, 2): pass outputs={'mean': lambda out: "
            "out[:, :1]}",
        ),
        (
            dict,
            {"outputs": {"value": "v"}},
            "outputs of head 'value': output='v': the model returned a dict with the keys 'mean', "
            "'value': pass a key",
        ),
        (
            dict,
            {"outputs": {"valeu": "value"}},
            "outputs names 'valeu', but the targets' heads are 'mean', 'value': did you mean "
            "'value'? pass outputs= by these names",
        ),
        (
            dict,
            {"output": "mean"},
            "output='mean' names the output of a single target, but there are the heads 'mean', "
            "'value': pass outputs={head: key, index, attribute or function}",
        ),
        (
            dict,
            {"task": {"kind": "classification"}},
            "task names the head 'kind', but the targets' heads are 'mean', 'value': pass it by",
        ),
        (dict, {"task": {"mean": "ranking"}}, "head 'mean': task must be 'regression' or"),
    ],
)
def test_messages_name_heads_on_both_sides(returned, options, text):
    refuse(ArgumentError, text, Actor(returned), pairs(), **options)


def test_targets_that_are_no_heads():
    x, mean, value = data()
    text = (
        "targets must be a mapping {head: targets} or a tuple of them; got a Tensor for batch 0: "
        "pass unpack=lambda batch: (inputs, {'mean': …, 'value': …}), or measure a single target "
        "with deepnrc.measure"
    )
    refuse(DataError, text, Actor(), [(x, mean)])
    text = "got 60 of head 'mean', 50 of head 'value': pick heads of the same samples with unpack="
    refuse(DataError, text, Actor(), [(x, {"mean": mean, "value": value[:50]})])
    text = (
        "targets of batch 1 have the heads 'mean'; the batches before had 'mean', 'value': yield "
        "the same heads in every batch"
    )
    refuse(DataError, text, Actor(), [*pairs()[:1], (x, {"mean": mean})])
    text = "targets of head 'mean' are a mapping themselves: flatten the heads with unpack="
    refuse(DataError, text, Actor(), [(x, {"mean": {"a": mean}})])
    refuse(DataError, "targets hold no head", Actor(), [(x, {})])
    text = "targets of head 'mean' must have an axis of samples; got float without one"
    refuse(DataError, text, Actor(), [(x, {"mean": 1.0, "value": value})])
    refuse(DataError, "the loader gave no samples", Actor(), [])


def test_errors_of_a_head_name_it():
    x, mean, value = data()
    bad = value.clone()
    bad[7] = np.nan
    text = "head 'value': targets of batch 0 hold NaN or infinity (first in its sample 7)"
    refuse(NonFiniteError, text, Actor(), [(x, {"mean": mean, "value": bad})])
    text = "head 'value': no layer of Actor gave rows that can be paired with the targets"
    tokens = {"mean": mean, "value": torch.randn(60, 5, 1)}
    refuse(DataError, text, Actor(), [(x, tokens)], reduce="samples", layers=["value", "body"])
