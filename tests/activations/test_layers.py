"""Weight layers: found in any model, with W as a matrix; what is skipped says why."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from deepnrc.activations.layers import Skipped, find_layers
from deepnrc.errors import LayerError
from helpers import CONVOLUTIONS, Branched, seeded, small_network
from reference.subspace import conv_weight_matrix


def names(found):
    return [layer.name for layer in found[0]]


@pytest.mark.parametrize("module", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_convolution_weight_is_the_twins_matrix(module, channels_last):
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    if channels_last and module.weight.ndim in layouts:
        module = copy.deepcopy(module).to(memory_format=layouts[module.weight.ndim])
    (layer,), _ = find_layers(nn.Sequential(module))
    transposed = "Transpose" in type(module).__name__
    expected = conv_weight_matrix(module.weight.detach().numpy(), module.groups, transposed)
    got = layer.weight_matrix().numpy()
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, expected)
    assert layer.feature_dim == module.in_channels == got.shape[1]
    assert layer.spatial_axes == module.weight.ndim - 2
    assert layer.kind == "convolution"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_linear_weight_and_its_subclasses(dtype):
    class Custom(nn.Linear):
        pass

    module = Custom(5, 3, bias=False).to(dtype)
    (layer,), _ = find_layers(nn.Sequential(module))
    assert (layer.kind, layer.feature_dim, layer.spatial_axes) == ("linear", 5, 0)
    assert layer.weight_dtype == dtype
    assert torch.equal(layer.weight_matrix(), module.weight.detach().double())


def test_width_is_read_off_the_weight_not_off_a_stale_attribute():
    module = nn.Linear(8, 2)
    module.weight = nn.Parameter(module.weight.detach()[:, :5])  # pruned by hand
    (layer,), _ = find_layers(nn.Sequential(module))
    assert layer.feature_dim == 5


def test_layers_come_in_the_models_order_and_under_their_first_name():
    model = Branched()
    model.alias = model.head
    assert names(find_layers(model)) == ["encoder.first", "encoder.conv", "head"]
    assert names(find_layers(model, "alias")) == ["head"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_skipped_modules_carry_their_reason():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2, 3, 4))

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(10, 4)
            self.bag = nn.EmbeddingBag(10, 4)
            self.lstm = nn.LSTM(4, 4)
            self.cell = nn.GRUCell(4, 4)
            self.attention = nn.MultiheadAttention(4, 2)
            self.bilinear = nn.Bilinear(4, 4, 2)
            self.wide = nn.Bilinear(91, 91, 1)
            self.scripted = torch.jit.script(nn.Linear(4, 4))
            self.batch_norm = nn.BatchNorm1d(4)
            self.norm = nn.LayerNorm((4, 4))
            self.own = Own()
            self.head = nn.Linear(4, 1)

    layers, skipped = find_layers(Mixed())
    assert [(layer.name, layer.kind) for layer in layers] == [
        ("lstm.weight_ih_l0", "recurrent_input"),
        ("lstm.weight_hh_l0", "recurrent_state"),
        ("cell.weight_ih", "recurrent_input"),
        ("cell.weight_hh", "recurrent_state"),
        ("attention.in_proj_q", "attention_input"),
        ("attention.in_proj_k", "attention_input"),
        ("attention.in_proj_v", "attention_input"),
        ("attention.out_proj", "attention_output"),
        ("bilinear", "bilinear"),
        ("head", "linear"),
    ]
    assert skipped == (
        Skipped("embed", "Embedding: looks up rows, takes no features"),
        Skipped("bag", "EmbeddingBag: looks up rows, takes no features"),
        Skipped("wide", "Bilinear: has more than 8192 products of features"),
        Skipped("scripted", "RecursiveScriptModule: compiled by torch.jit, takes no hooks"),
        Skipped("norm", "LayerNorm: scales each feature by itself"),
        Skipped(
            "own",
            "Own: it is not known how its w (2 × 3 × 4) is used: where it is a weight, tell with "
            "deepnrc.register_layer(Own, weight=…)",
        ),
    )


def test_quantized_and_sharded_weights_are_skipped_not_misread():
    model = small_network()
    model[0].weight = nn.Parameter(torch.zeros(16, 4, dtype=torch.uint8), requires_grad=False)
    model[0].bias = None
    model.append(nn.Linear(2, 2))
    model[3].weight = nn.Parameter(torch.zeros(0))
    layers, skipped = find_layers(model)
    assert [layer.name for layer in layers] == ["2"]
    reason = "Linear: its weight is not a matrix of real numbers (quantized or sharded)"
    assert skipped == (Skipped("0", reason), Skipped("3", reason))


def test_parametrized_layer_gives_its_effective_weight_and_no_false_skip():
    with seeded():
        model = nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)))
    with torch.no_grad():
        model[0].parametrizations.weight.original0.mul_(2.0)
    (layer,), skipped = find_layers(model)
    assert skipped == ()
    assert torch.equal(layer.weight_matrix(), model[0].weight.detach().double())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_scripted_model_is_refused_with_what_to_do():
    scripted = torch.jit.script(small_network())
    with pytest.raises(
        LayerError, match=r"RecursiveScriptModule has no weight layer .*: measure the original"
    ):
        find_layers(scripted)


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (nn.Sequential(nn.ReLU(), nn.LazyLinear(3)), r"'1' \(LazyLinear\)"),
        (nn.Sequential(nn.LazyConv2d(3, 1)), r"'0' \(LazyConv2d\)"),
        (nn.Sequential(nn.Linear(3, 3), nn.LazyBatchNorm1d()), r"'1' \(LazyBatchNorm1d\)"),
    ],
)
def test_lazy_layers_are_refused_with_what_to_do(model, where):
    message = f"layer {where} has no weight yet: run the model once on a batch before measuring it"
    with pytest.raises(LayerError, match=message):
        find_layers(model)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_quantized_layer_among_others_is_named_as_left_out():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 2))
    quantized = torch.ao.quantization.quantize_dynamic(model, {"2"})
    layers, skipped = find_layers(quantized)
    assert [layer.name for layer in layers] == ["0", "3"]
    assert [x.name for x in skipped] == ["2"]
    assert skipped[0].reason.endswith(
        "its weight is not a matrix of real numbers (quantized or sharded)"
    )
