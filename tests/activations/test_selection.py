"""What ``layers=`` selects, and what is said when it matches nothing."""

import pytest
from torch import nn

from deepnrc.activations.layers import find_layers
from deepnrc.errors import LayerError
from helpers import Branched


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("head", ["head"]),
        ("encoder.*", ["encoder.first", "encoder.conv"]),
        ("*o*", ["encoder.first", "encoder.conv"]),
        (nn.Linear, ["encoder.first", "head"]),
        (nn.Conv1d, ["encoder.conv"]),
        (lambda name, module: name.endswith("conv"), ["encoder.conv"]),
        (lambda name, module: getattr(module, "out_features", 0) == 2, ["head"]),
        (["head", nn.Conv1d], ["encoder.conv", "head"]),
        (("head", ["encoder.first"]), ["encoder.first", "head"]),
        (["head", "head", "h*"], ["head"]),
    ],
)
def test_selection(select, expected):
    layers, skipped = find_layers(Branched(), select)
    assert [layer.name for layer in layers] == expected
    left = {"encoder.first", "encoder.conv", "head"} - set(expected)
    assert {x.name for x in skipped if x.reason == "not selected by layers="} == left


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (
            "encoder.frist",
            r"layers='encoder.frist' matches no weight layer: did you mean 'encoder.first'\? "
            "choose from encoder.first, encoder.conv, head$",
        ),
        ("zzz", r"layers='zzz' matches no weight layer: choose from encoder.first"),
        ("decoder.*", r"layers='decoder.\*' matches no weight layer"),
        (
            "relu",
            r"layer 'relu' is a ReLU, which holds no weight of a known kind itself \(others are "
            r"told with deepnrc.register_layer\): choose from encoder.first",
        ),
        ("again", r"layer 'again' is a ReLU"),
        ("encoder", r"layer 'encoder' is a ModuleDict"),
        (nn.Conv2d, r"layers=Conv2d matches no weight layer: choose from encoder.first"),
        (nn.ReLU, r"layers=ReLU matches no weight layer"),
        (lambda name, module: False, r"the predicate passed as layers matches no .*: choose"),
        (
            ["head", "haed"],
            r"layers='haed' matches no weight layer: did you mean 'head'\? choose from encoder",
        ),
        ([], r"layers must name a layer; got an empty list: pass None instead"),
    ],
)
def test_a_selector_that_takes_nothing_says_what_there_is(select, message):
    with pytest.raises(LayerError, match=message):
        find_layers(Branched(), select)


def test_a_module_as_selector_is_refused_not_called():
    model = Branched()
    for select in (model.head, [model.head]):
        with pytest.raises(LayerError, match=r"must be names, not modules; got a Linear: pass its"):
            find_layers(model, select)


def test_long_listings_are_cut():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(12)))
    with pytest.raises(LayerError, match=r": choose from 0, 1, 2, 3, 4, 5, 6, 7, …$"):
        find_layers(model, "none")
