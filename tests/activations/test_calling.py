"""From a batch to inputs, targets and a call of the model, as far as it tells."""

import collections
from dataclasses import dataclass

import pytest
import torch
from tensordict import TensorDict
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from deepnrc import measure
from deepnrc.activations.calling import default_forward, default_unpack, ignored_keys
from deepnrc.errors import DataError


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_pair_is_inputs_and_targets(kind):
    assert default_unpack(nn.Linear(1, 1), kind(["x", "y"])) == ("x", "y")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            {"pixels": 1, "action": 2},
            r"got a mapping with the keys 'pixels', 'action': pass "
            r"unpack=lambda batch: \(batch\['x'\], batch\['y'\]\)$",
        ),
        (
            (1, 2, 3),
            r"got a tuple of 3: pass unpack=lambda batch: "
            r"\(\(batch\[0\], batch\[1\]\), batch\[-1\]\)$",
        ),
        ([1], r"got a list of 1: pass unpack="),
        (
            torch.zeros(4, 3),
            r"got a Tensor of shape \(4, 3\): pass \(X, y\) as a tuple if it is all",
        ),
        ("text", r"got a str: pass unpack="),
    ],
)
def test_anything_else_says_what_it_is_and_what_to_pass(batch, message):
    with pytest.raises(DataError, match=r"the loader must yield \(inputs, targets\); " + message):
        default_unpack(nn.Linear(1, 1), batch)


def test_forward_spreads_mappings_and_sequences():
    class Recording(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    model, x = Recording(), torch.zeros(1)
    assert default_forward(model, x) == ((x,), {})
    assert default_forward(model, (x, 2)) == ((x, 2), {})
    assert default_forward(model, [x]) == ((x,), {})
    assert default_forward(model, {"a": x}) == ((), {"a": x})
    assert default_forward(model, collections.UserDict(a=x)) == ((), {"a": x})
    packed = pack_sequence([torch.zeros(3, 2), torch.zeros(2, 2)])
    assert default_forward(model, packed) == ((packed,), {})  # a tuple, but one input


class Takes(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.forward = forward


@pytest.mark.parametrize("key", ["labels", "label", "targets", "target", "y"])
def test_a_mapping_with_one_key_for_targets(key):
    model = Takes(lambda state, goal: None)
    batch = {"state": 1, "goal": 2, key: 3}
    assert default_unpack(model, batch) == ({"state": 1, "goal": 2}, 3)


def test_labels_stay_where_the_model_needs_them():
    batch = {"ids": 1, "labels": 2}
    assert default_unpack(Takes(lambda ids, labels=None: 0), batch) == ({"ids": 1}, 2)
    assert default_unpack(Takes(lambda ids, labels: 0), batch) == (batch, 2)


def test_a_single_input_of_no_name_is_passed_by_itself():
    assert default_unpack(nn.Linear(1, 1), {"x": 1, "y": 2}) == (1, 2)
    assert default_unpack(Takes(lambda x: 0), {"x": 1, "y": 2}) == ({"x": 1}, 2)
    assert default_unpack(Takes(lambda batch: 0), {"state": 1, "y": 2}) == ({"state": 1}, 2)


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, batch):
        return self.layer(batch["state"])


@pytest.mark.parametrize("form", ["batch", "pair", "data"])
def test_a_tensordict_is_a_batch_an_input_and_data(form):
    state = torch.randn(20, 3)
    batch = TensorDict({"state": state, "y": state[:, :2]}, batch_size=[20])
    pair = (batch, batch["y"])
    measured = measure(Field(), {"batch": [batch], "pair": [pair], "data": pair}[form])
    assert (measured.samples, measured["layer"].rows) == (20, 20)


def test_a_model_of_other_keys_is_told_on_both_sides():
    message = (
        "the model takes left, right, but the inputs are a mapping with the keys 'x', 'z': pass "
        "unpack= that names them so, or forward="
    )
    with pytest.raises(DataError, match=message):
        default_forward(Takes(lambda left, right: 0), {"x": 1, "z": 2})


def test_two_keys_for_targets_are_told():
    message = (
        r"got a mapping with the keys 'x', 'y', 'labels', of which 'labels' and 'y' may be the "
        r"targets: pass unpack=lambda batch: \(batch\['x'\], batch\['y'\]\)"
    )
    with pytest.raises(DataError, match=message):
        default_unpack(nn.Linear(1, 1), {"x": 1, "y": 2, "labels": 3})


def test_a_graph_with_targets():
    from torch_geometric.data import Data

    graph = Data(x=torch.ones(3, 2), y=torch.ones(3))
    inputs, targets = default_unpack(nn.Linear(1, 1), graph)
    assert inputs is graph
    assert targets is graph.y


@dataclass
class Pair:
    x: int
    z: int


def test_fields_of_a_dataclass_are_told():
    with pytest.raises(DataError, match="got a Pair with the fields x, z: pass unpack="):
        default_unpack(nn.Linear(1, 1), Pair(1, 2))


Step = collections.namedtuple("Step", "state time")


def test_named_tuples_and_unknown_mappings_go_whole_to_a_model_of_one_parameter():
    step = Step(1, 2)
    assert default_forward(Takes(lambda step: step), step) is step
    assert default_forward(Takes(lambda state, time: (time, state)), step) == (2, 1)
    batch = {"state": 1}
    assert default_forward(Takes(lambda batch: batch), batch) is batch


@dataclass
class Scene:
    state: int
    time: int
    index: int = 7


def test_a_dataclass_is_keywords_only_for_a_model_that_needs_several_inputs():
    scene = Scene(1, 2)
    swapped = Takes(lambda time, state: (time, state))
    assert default_forward(swapped, scene) == (2, 1)
    assert ignored_keys(swapped, scene) == ("index",)
    for whole in (Takes(lambda scene: scene), Takes(lambda scene, mask=None: scene)):
        assert default_forward(whole, scene) is scene
        assert ignored_keys(whole, scene) == ()
    message = "the model takes a, b, but the inputs are a Scene with the fields 'state', 'time'"
    with pytest.raises(DataError, match=message):
        default_forward(Takes(lambda a, b: a), scene)


def test_keys_that_the_model_does_not_take_are_left_out_and_told():
    model = Takes(lambda state, goal=0: (state, goal))
    inputs = {"state": 1, "index": 7}
    assert default_forward(model, inputs) == (1, 0)
    assert ignored_keys(model, inputs) == ("index",)
    assert ignored_keys(Takes(lambda **kwargs: 0), inputs) == ()
    assert ignored_keys(Takes(lambda batch: 0), inputs) == ()
    assert ignored_keys(model, torch.ones(2)) == ()


class Stated(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, state):
        return self.layer(state)


def test_a_note_says_what_was_left_out():
    state = torch.randn(20, 3)
    batch = {"state": state, "index": torch.arange(20), "y": state[:, :2]}
    measured = measure(Stated(), [batch])
    assert measured.notes == ("the model does not take 'index' of the batches, which is left out",)
    assert measured["layer"].rows == 20
