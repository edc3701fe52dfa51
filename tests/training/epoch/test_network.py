import pytest
import torch
from torch import nn

from deepnrc.errors import ArgumentError
from deepnrc.models import MLP
from deepnrc.models.registry import NETWORKS
from deepnrc.training.config import MLPConfig, ModelConfig, ResNetConfig
from deepnrc.training.epoch.network import find_device, make_model

ROWS, IMAGES = torch.zeros(4, 5), torch.zeros(4, 2, 8, 8)


def test_the_seed_alone_fixes_the_weights():
    before = torch.get_rng_state()
    generator = torch.Generator().manual_seed(3)
    made = make_model(MLPConfig(width=8, depth=3, bias=True), ROWS, 2, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    expected = MLP(5, 2, width=8, depth=3, bias=True, generator=generator).state_dict()
    torch.testing.assert_close(dict(made.state_dict()), dict(expected), rtol=0, atol=0)
    one, same, other = (
        make_model(ResNetConfig(kind="resnet18", head=[4]), IMAGES, 2, seed=s) for s in (1, 1, 2)
    )
    assert torch.equal(one.conv1.weight, same.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
    assert one.conv1.weight.shape[1] == 2
    assert one.fc[0].weight.shape == (4, 512)


@pytest.mark.parametrize(
    ("config", "inputs", "message"),
    [
        (
            MLPConfig(),
            IMAGES,
            r"an MLP takes rows of numbers, but .* \(2, 8, 8\): choose",
        ),
        (
            ResNetConfig(kind="resnet34"),
            ROWS,
            r"a ResNet takes images, .* model.kind = 'mlp'",
        ),
    ],
)
def test_inputs_of_another_shape(config, inputs, message):
    with pytest.raises(ArgumentError, match=message):
        make_model(config, inputs, 2, seed=0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda shape: nn.Identity(), r"its function fails for samples of shape \(5,\), 2 targets"),
        (lambda shape, t: t, "its function must return a torch.nn.Module; got int"),
    ],
)
def test_functions_that_make_no_network(function, message):
    NETWORKS.register("test", function)
    try:
        with pytest.raises(ArgumentError, match=f"model.kind = 'test': {message}"):
            make_model(ModelConfig(kind="test"), ROWS, 2, seed=0)
    finally:
        NETWORKS.unregister("test")


def test_devices():
    assert find_device("cpu").type == "cpu"
    with pytest.raises(ArgumentError, match=r"training.device = 'nonsense' is not available here"):
        find_device("nonsense")
