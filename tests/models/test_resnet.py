"""Names, shapes and arithmetic as torchvision's; checkpoints move between the two."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from deepnrc.errors import ArgumentError
from deepnrc.models import resnet18, resnet34
from helpers import seeded

BLOCKS = {resnet18: (2, 2, 2, 2), resnet34: (3, 4, 6, 3)}
PARAMETERS = {resnet18: 11_689_512, resnet34: 21_797_672}  # torchvision's, with 1000 outputs


def norm_entries(name, channels):
    floats = {f"{name}.{part}": (channels,) for part in ("weight", "bias")}
    statistics = {f"{name}.{part}": (channels,) for part in ("running_mean", "running_var")}
    return {**floats, **statistics, f"{name}.num_batches_tracked": ()}


def expected_state(blocks, target_dim, channels):
    """torchvision's state dict by its rule: stem, four stages of basic blocks, fc."""
    state = {"conv1.weight": (64, channels, 7, 7), **norm_entries("bn1", 64)}
    before = 64
    for stage, count in enumerate(blocks, start=1):
        width = 64 * 2 ** (stage - 1)
        for block in range(count):
            name = f"layer{stage}.{block}"
            state[f"{name}.conv1.weight"] = (width, before, 3, 3)
            state |= norm_entries(f"{name}.bn1", width)
            state[f"{name}.conv2.weight"] = (width, width, 3, 3)
            state |= norm_entries(f"{name}.bn2", width)
            if block == 0 and stage > 1:
                state[f"{name}.downsample.0.weight"] = (width, before, 1, 1)
                state |= norm_entries(f"{name}.downsample.1", width)
            before = width
    return {**state, "fc.weight": (target_dim, 512), "fc.bias": (target_dim,)}


@pytest.mark.parametrize("build", BLOCKS)
@pytest.mark.parametrize(("target_dim", "channels"), [(2, 3), (7, 1)])
def test_state_dict_is_torchvisions(build, target_dim, channels):
    with seeded():
        model = build(target_dim, channels=channels)
    got = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    expected = expected_state(BLOCKS[build], target_dim, channels)
    assert got == expected
    assert list(got) == list(expected)  # the order too


@pytest.mark.parametrize("build", BLOCKS)
def test_parameter_count_is_torchvisions(build):
    with seeded():
        model = build(1000)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[build]


def norm(state, name, x):
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"])


def twin(state, blocks, x):
    """The network written out over a state dict (He et al. 2016, option B)."""
    x = F.relu(norm(state, "bn1", F.conv2d(x, state["conv1.weight"], stride=2, padding=3)))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            out = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            out = F.relu(norm(state, f"{name}.bn1", out))
            out = norm(
                state, f"{name}.bn2", F.conv2d(out, state[f"{name}.conv2.weight"], padding=1)
            )
            if f"{name}.downsample.0.weight" in state:
                x = F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride)
                x = norm(state, f"{name}.downsample.1", x)
            x = F.relu(out + x)
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("build", BLOCKS)
def test_forward_is_the_networks_written_out(build):
    with seeded():
        model = build(3).eval()
        for name, value in model.state_dict().items():
            if "running_mean" in name or name.endswith("bn1.bias"):
                value.normal_(std=0.1)
            if "running_var" in name:
                value.uniform_(0.5, 2.0)
        x = torch.randn(2, 3, 40, 56)
    with torch.no_grad():
        expected = twin(model.state_dict(), BLOCKS[build], x)
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


def test_convolutions_start_as_hes():
    with seeded():
        weight = resnet18(2).layer3[0].conv2.weight.detach()
    assert float(weight.std()) == pytest.approx((2.0 / (256 * 9)) ** 0.5, rel=0.01)


def test_a_head_of_several_layers():
    with seeded():
        model = resnet18(3, head=(20, 10)).eval()
        x = torch.randn(2, 3, 32, 32)
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items() if k.startswith("fc.")}
    assert shapes == {
        "fc.0.weight": (20, 512), "fc.0.bias": (20,), "fc.2.weight": (10, 20), "fc.2.bias": (10,),
        "fc.4.weight": (3, 10), "fc.4.bias": (3,),
    }  # fmt: skip
    assert model.readout is model.fc[4]
    features = model.features(x)
    assert features.shape == (2, 10)
    assert bool((features >= 0).all())
    assert torch.equal(model.readout(features), model(x))


def test_readout_of_one_layer_reads_the_pooled_maps():
    with seeded():
        model = resnet18(3).eval()
        x = torch.randn(2, 3, 32, 32)
    assert model.readout is model.fc
    assert model.features(x).shape == (2, 512)
    assert torch.equal(model.fc(model.features(x)), model(x))


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ({"target_dim": 0}, "target_dim"),
        ({"channels": 0}, "channels"),
        ({"head": [4, 0]}, r"head\[1\]"),
    ],
)
def test_sizes_below_one_are_refused(sizes, name):
    with pytest.raises(ArgumentError, match=f"{name} must be at least 1; got 0"):
        resnet18(**{"target_dim": 2, **sizes})
