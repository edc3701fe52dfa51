"""What other packages ship broken (notes on users, second paragraph), shown absent here."""

import io

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import deepnrc
from helpers import (
    activations,
    assert_moments,
    fingerprint,
    in_batches,
    layer_of,
    quiet,
    regression_data,
    seeded,
    small_network,
)


def deep_network(depth=6):
    with seeded():
        hidden = [part for _ in range(depth) for part in (nn.Linear(8, 8), nn.ReLU(inplace=True))]
        return nn.Sequential(*hidden, nn.Linear(8, 2))


def test_no_hook_is_left_on():
    model = deep_network()
    before = fingerprint(model)["hooks"]
    for _ in range(3):
        deepnrc.measure(model, [regression_data()])
    assert fingerprint(model)["hooks"] == before
    assert not any(hooks for module in before for hooks in module.values())


def test_the_model_can_still_be_saved():
    model = deep_network()
    deepnrc.measure(model, [regression_data()])
    whole = io.BytesIO()
    torch.save(model, whole)
    whole.seek(0)
    x, _ = regression_data()
    assert torch.equal(torch.load(whole, weights_only=False)(x), model(x))


def test_all_tokens_count_not_only_the_last():
    x, y = regression_data(30, shape=(5,))
    with seeded():
        model = nn.Sequential(nn.Linear(8, 4), nn.Flatten(), nn.Linear(20, 2))
    whole = quiet(model, [(x, y)]).layers[0]
    assert_moments(whole, x.mean(1), y, rtol=1e-6)
    changed = x.clone()
    changed[:, 0] += 3.0 * torch.randn(30, 8, generator=torch.Generator().manual_seed(9))
    other = quiet(model, [(changed, y)]).layers[0]
    assert not torch.allclose(whole.moments.feature_covariance, other.moments.feature_covariance)


def test_one_forward_pass_serves_all_layers():
    model, calls = deep_network(), []
    model.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    got = deepnrc.measure(model, in_batches(*regression_data(40)))
    assert len(got) == 7
    assert calls == [16, 16, 8]
    assert [layer.calls for layer in got] == [3] * 7


@pytest.mark.parametrize("depth", [1, 4])
def test_a_following_in_place_relu_does_not_alter_the_features(depth):
    """ReLU(inplace) directly on what entered a layer: on the data, and on a shared tensor."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(8, 4), nn.Linear(8, 4)
            self.relu = nn.ReLU(inplace=True)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            left = self.left(x)
            x = self.relu(x)  # now the tensor that `left` was given is overwritten
            return self.head(self.relu(torch.cat([left, self.right(x)], 1)))

    with seeded():
        model = Shared()
    x, y = regression_data(40)
    collected = quiet(model, in_batches(x.clone(), y, size=40 // depth))
    assert_moments(layer_of(collected, "left"), x, y, rtol=1e-6)
    assert_moments(layer_of(collected, "right"), x.clamp(min=0), y, rtol=1e-6)


def test_a_shuffling_loader_pairs_each_sample_with_itself_at_every_layer():
    x, y = regression_data(200)
    model = deep_network()
    shuffled = DataLoader(TensorDataset(x, y), 32, shuffle=True)
    collected = quiet(model, shuffled)
    for name in ("0", "4", "12"):
        features = activations(model, name, x)[0]
        assert_moments(layer_of(collected, name), features, y, rtol=1e-5)


def test_a_ragged_last_batch_counts_by_its_samples():
    x, y = regression_data(41)
    collected = quiet(deep_network(), in_batches(x, y, size=40))
    assert_moments(collected.layers[0], x, y, rtol=1e-6)
    assert collected.targets.count == 41


def test_an_exactly_rank_one_covariance_is_not_rank_zero():
    direction = torch.arange(1.0, 9.0)
    x = torch.linspace(-1, 1, 40)[:, None] * direction
    got = deepnrc.measure(small_network(t=1), [(x, x[:, :1])])["0"]
    assert got.stable_rank == pytest.approx(1.0, abs=1e-9)
    assert got.entropy_rank == pytest.approx(1.0, abs=1e-6)
    assert got.noise_component <= got.noise_component_floor
