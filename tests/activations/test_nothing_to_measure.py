"""A model in which nothing can be measured is told what it holds, and what to do."""

import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.activations.layers import find_layers
from deepnrc.activations.nothing_to_measure import nothing_to_measure
from deepnrc.errors import LayerError


class KANLinear(nn.Module):
    def __init__(self, d, p):
        super().__init__()
        self.base_weight = nn.Parameter(torch.zeros(p, d))
        self.spline_weight = nn.Parameter(torch.zeros(p, d, 8))
        self.grid = nn.Parameter(torch.zeros(d, 12))
        self.scaler = nn.Parameter(torch.zeros(p, d))

    def forward(self, x):
        return x @ self.base_weight.T


class Spline(nn.Module):
    def __init__(self):
        super().__init__()
        self.coefficients = nn.Parameter(torch.zeros(2, 3, 8))


def test_what_it_holds_and_the_call_for_the_first():
    model = nn.Sequential(nn.LayerNorm((4, 4)), *(KANLinear(4, 4) for _ in range(4)), Spline())
    shapes = "(base_weight 4 × 4, spline_weight 4 × 4 × 8, grid 4 × 12, …)"
    assert nothing_to_measure(model) == (
        f"Sequential has no weight layer of a known kind. It holds '1', a KANLinear {shapes}; "
        f"'2', a KANLinear {shapes}; '3', a KANLinear {shapes}; and 2 more. Tell where the p × d "
        "matrix is and what enters it: deepnrc.register_layer(KANLinear, weight='base_weight', "
        "rows=lambda layer, x: x), with what the matrix is multiplied with as rows"
    )
    with pytest.raises(LayerError, match="KANLinear has no weight layer of a known kind"):
        deepnrc.measure(KANLinear(4, 2), [(torch.ones(9, 4), torch.ones(9, 2))])


def test_a_weight_of_three_axes_is_shown_flattened():
    assert nothing_to_measure(Spline()).endswith(
        "It holds Spline (coefficients 2 × 3 × 8). Tell where the p × d matrix is and what "
        "enters it: deepnrc.register_layer(Spline, weight=lambda layer: "
        "layer.coefficients.flatten(1), rows=lambda layer, x: x), with what the matrix is "
        "multiplied with as rows"
    )


@pytest.mark.parametrize(
    ("model", "has"),
    [
        (nn.ReLU(), "no parameter of two axes or more"),
        (nn.BatchNorm1d(3), "no parameter of two axes or more"),
        (nn.Sequential(nn.Embedding(3, 3), nn.LayerNorm((2, 2))), "only embeddings and norms"),
    ],
)
def test_a_model_without_weights(model, has):
    start = f"{type(model).__name__} has no weight layer (nn.Linear or convolution): it has "
    assert nothing_to_measure(model) == f"{start}{has}, so that there is no matrix"


def test_parameters_in_a_list_are_those_of_its_owner():
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList([torch.zeros(2, 3), torch.zeros(2, 4)])
            self.named = nn.ParameterDict({"last": torch.zeros(2, 2)})

    assert nothing_to_measure(Experts()).startswith(
        "Experts has no weight layer of a known kind. It holds Experts (weights.0 2 × 3, "
        "weights.1 2 × 4, named.last 2 × 2). Tell where the p × d matrix is and what enters it: "
        "deepnrc.register_layer(Experts, weight='weights.0', rows="
    )
    with deepnrc.register_layer(Experts, weight={"a": "weights.0", "b": "named.last"}):
        layers, skipped = find_layers(Experts())
    assert [(layer.name, layer.feature_dim) for layer in layers] == [("a", 3), ("b", 2)]
    assert skipped == ()


def hidden():
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    yield torch.jit.script(network)
    yield torch.export.export(network, (torch.ones(3, 4),)).module()
    yield torch.ao.quantization.quantize_dynamic(network, {nn.Linear})
    packed = nn.Linear(4, 2, bias=False)  # as other libraries pack them
    packed.weight = nn.Parameter(torch.zeros(2, 4, dtype=torch.uint8), requires_grad=False)
    yield packed


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_scripted_exported_and_quantized_models_are_sent_to_the_original():
    for model in hidden():
        with pytest.raises(LayerError, match=r"measure the (original|module that was exported)"):
            deepnrc.measure(model, [(torch.ones(9, 4), torch.ones(9, 2))], progress=False)
