import pytest
import torch

from deepnrc.errors import ArgumentError
from deepnrc.models import MLP
from deepnrc.models.mlp import ACTIVATIONS


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 8])
def test_parameters_are_fc1_to_the_last(depth, bias):
    model = MLP(5, 3, width=16, depth=depth, bias=bias)
    dims = [5, *[16] * (depth - 1), 3]
    expected = {}
    for i in range(depth):
        expected[f"fc{i + 1}.weight"] = (dims[i + 1], dims[i])
        if bias:
            expected[f"fc{i + 1}.bias"] = (dims[i + 1],)
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == expected
    assert model.depth == depth


def test_forward_is_relu_between_the_layers_and_none_after():
    model = MLP(5, 3, width=16, depth=3, bias=True, generator=generator())
    x = torch.randn(20, 5, generator=generator(1))
    hidden = (x @ model.fc1.weight.T + model.fc1.bias).clamp(min=0)
    hidden = (hidden @ model.fc2.weight.T + model.fc2.bias).clamp(min=0)
    expected = hidden @ model.fc3.weight.T + model.fc3.bias
    torch.testing.assert_close(model(x), expected)
    assert bool((model(x) < 0).any())


def test_weights_are_hes_and_biases_zero():
    model = MLP(64, 3, width=512, depth=3, bias=True, generator=generator())
    for layer in (model.fc1, model.fc2):
        expected = (2.0 / layer.in_features) ** 0.5
        # the relative error of a deviation from n normal draws is about 1/√(2n)
        assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=0.02)
    assert not any(bool(layer.bias.any()) for layer in (model.fc1, model.fc2, model.fc3))


def test_a_generator_fixes_the_weights():
    one, same, other = (MLP(4, 2, width=8, depth=2, generator=generator(s)) for s in (3, 3, 4))
    assert torch.equal(one.fc2.weight, same.fc2.weight)
    assert not torch.equal(one.fc2.weight, other.fc2.weight)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"input_dim": 0}, "input_dim must be at least 1; got 0"),
        ({"target_dim": -1}, "target_dim must be at least 1; got -1"),
        ({"width": 0}, "width must be at least 1; got 0"),
        ({"depth": 0}, "depth must be at least 1; got 0"),
    ],
)
def test_sizes_below_one_are_refused(sizes, message):
    with pytest.raises(ArgumentError, match=message):
        MLP(**{"input_dim": 2, "target_dim": 2, **sizes})


def test_torchs_init_is_the_default_of_nn_linear_without_its_biases():
    model = MLP(64, 3, width=512, depth=2, bias=True, init="torch", generator=generator())
    for layer in (model.fc1, model.fc2):
        bound = layer.in_features**-0.5
        assert float(layer.weight.detach().abs().max()) == pytest.approx(bound, rel=0.01)
        # uniform on ±bound
        deviation = float(layer.weight.detach().std())
        assert deviation == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not bool(layer.bias.any())


@pytest.mark.parametrize("init", ["he", "torch"])
def test_a_generator_leaves_the_global_one_alone(init):
    before = torch.get_rng_state()
    MLP(4, 2, width=8, depth=2, bias=True, init=init, generator=generator())
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_init_is_refused():
    with pytest.raises(ArgumentError, match="init must be 'he' or 'torch'; got 'xavier'"):
        MLP(2, 2, init="xavier")


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_normalisation_stands_between_weight_and_activation(norm):
    model = MLP(5, 3, width=16, depth=3, norm=norm, generator=generator())
    names = [name for name, _ in model.named_children()]
    assert names == ["fc1", "norm1", "fc2", "norm2", "fc3"]
    x = torch.randn(20, 5, generator=generator(1))
    hidden = x
    for weight in (model.fc1.weight, model.fc2.weight):
        hidden = hidden @ weight.T
        axis = 0 if norm == "batch" else 1
        mean = hidden.mean(axis, keepdim=True)
        variance = hidden.var(axis, correction=0, keepdim=True)
        hidden = ((hidden - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(model(x), hidden @ model.fc3.weight.T)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_by_name(name):
    model = MLP(5, 3, width=16, depth=3, activation=name, generator=generator())
    x = torch.randn(20, 5, generator=generator(1))
    function = ACTIVATIONS[name]
    hidden = function(function(x @ model.fc1.weight.T) @ model.fc2.weight.T)
    torch.testing.assert_close(model(x), hidden @ model.fc3.weight.T)
    # Under the name torch has for it, where it has one.
    known = getattr(torch.nn.functional, name, None) or getattr(torch, name, None)
    if known is not None:
        torch.testing.assert_close(function(x), known(x))


def test_readout_reads_the_features():
    model = MLP(5, 3, width=16, depth=4, bias=True, norm="layer", generator=generator())
    x = torch.randn(20, 5, generator=generator(1))
    assert model.readout is model.fc4
    assert model.features(x).shape == (20, 16)
    assert torch.equal(model.fc4(model.features(x)), model(x))
    assert torch.equal(MLP(5, 3, depth=1).features(x), x)


def test_unknown_norm_and_activation_are_refused():
    with pytest.raises(ArgumentError, match="norm must be 'none', 'batch' or 'layer'; got 'bach'"):
        MLP(2, 2, norm="bach")
    with pytest.raises(ArgumentError, match=r"'gleu' is not known: did you mean 'gelu'\? known"):
        MLP(2, 2, activation="gleu")
    with pytest.raises(ArgumentError, match="activation 'zzz' is not known: known are celu, elu"):
        MLP(2, 2, activation="zzz")
