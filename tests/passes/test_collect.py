"""One pass over real modules: the right rows of the right layers, and honest errors."""

import logging

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from deepnrc.activations.layers import find_layers
from deepnrc.errors import DataError
from deepnrc.moments.accumulator import state_bytes
from deepnrc.passes.layer_statistics import JointMoments
from deepnrc.passes.plan import plan_text
from helpers import (
    CONVOLUTIONS,
    activations,
    assert_moments,
    in_batches,
    layer_of,
    mean_rows,
    quiet,
    regression_data,
    seeded,
    small_network,
)
from networks import Encoder, PerPosition, Pooled, Repeated, Tokens
from reference import rows as twin

# What is measured: every kind of module, its own rows


@pytest.mark.parametrize("size", [7, 16, 40])
def test_linear_features_are_what_enters_the_layer(size):
    x, y = regression_data(40)
    model = small_network()
    collected = quiet(model, in_batches(x, y, size=size))
    assert [layer.name for layer in collected.layers] == ["0", "2"]
    assert collected.batches == -(-40 // size)
    assert collected.model == "Sequential"
    for name in ("0", "2"):
        layer = layer_of(collected, name)
        (features,) = activations(model, name, x)
        assert_moments(layer, features, y, rtol=1e-6 if size < 40 and name == "2" else 1e-10)
        assert (layer.calls, layer.kind) == (collected.batches, "linear")
        assert layer.dtype == layer.weight_dtype == torch.float32
        assert torch.equal(layer.weight, dict(model.named_modules())[name].weight.double())


@pytest.mark.parametrize("module", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("rule", ["mean", "samples"])
def test_convolutions(module, rule):
    axes = module.weight.ndim - 2
    shape = (12, module.in_channels, *(5, 4, 3)[:axes])
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    y = regression_data(12)[1]
    with seeded():
        model = Pooled(module)
    collected = quiet(model, in_batches(x, y, size=5), reduce=rule, layers="conv")
    (layer,) = collected.layers
    rows = twin.conv_rows(x, rule)
    assert_moments(layer, rows, np.repeat(y.numpy(), len(rows) // len(y), 0), rtol=1e-6)
    assert (layer.kind, layer.weight.shape[1]) == ("convolution", module.in_channels)


def test_channels_last_is_read_alike():
    x = torch.randn(12, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    y = regression_data(12)[1]
    with seeded():
        model = Pooled(nn.Conv2d(3, 4, 3)).to(memory_format=torch.channels_last)
    for rule in ("mean", "samples"):
        layout = x.contiguous(memory_format=torch.channels_last)
        (layer,) = quiet(model, [(layout, y)], reduce=rule, layers="conv").layers
        rows = twin.conv_rows(x, rule)
        assert_moments(layer, rows, np.repeat(y.numpy(), len(rows) // len(y), 0), rtol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "first", "last", "samples", 1, -2])
def test_tokens(rule):
    x, y = regression_data(20, shape=(5,))
    with seeded():
        model = Tokens()
    collected = quiet(model, in_batches(x, y, size=8), reduce=rule, layers="token")
    (layer,) = collected.layers
    rows = twin.linear_rows(x, rule)
    assert_moments(layer, rows, np.repeat(y.numpy(), len(rows) // len(y), 0), rtol=1e-6)
    assert collected.options.described()["reduce"] == (
        rule if isinstance(rule, str) else f"position {rule}"
    )


def test_a_function_makes_the_rows():
    x, y = regression_data(20, shape=(5,))

    def second_half(name, activation):
        return activation if activation.ndim == 2 else activation[:, 3:].mean(1)

    collected = quiet(Tokens(), in_batches(x, y), reduce=second_half)
    assert_moments(layer_of(collected, "token"), x[:, 3:].mean(1), y, rtol=1e-6)
    assert collected.options.described()["reduce"] == "second_half"


@pytest.mark.parametrize("as_numpy", [False, True])
def test_targets_of_each_position(as_numpy):
    x, _ = regression_data(20, shape=(5,))
    y = torch.randn(20, 5, 2, generator=torch.Generator().manual_seed(1))
    with seeded():
        model = PerPosition()
    batches = in_batches(x, y.numpy() if as_numpy else y, size=8)
    collected = quiet(model, batches, reduce="samples")
    assert collected.targets.count == 100
    assert_moments(layer_of(collected, "token"), x.reshape(100, 8), y.reshape(100, 2), rtol=1e-6)
    expected = (model(x) - y).square().sum().item()
    assert collected.squared_error == pytest.approx(expected, rel=1e-5)


def test_targets_of_each_position_are_never_spread_over_other_positions():
    """A depth map's (samples, 1, height, width) are not samples × height rows of width targets."""
    x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1))
    with pytest.raises(DataError, match=r"'0': it has 6 × 6 positions, the targets 1 × 6"):
        quiet(model, [(x, torch.zeros(4, 1, 6, 6))], reduce="samples")


def test_one_target_a_sample_repeats_for_its_positions():
    x, y = regression_data(20, shape=(5,))
    collected = quiet(Tokens(), [(x, y)], reduce="samples", layers="token")
    assert collected.targets.count == 20
    assert_moments(collected.layers[0], x.reshape(100, 8), y.repeat_interleave(5, 0), rtol=1e-6)


def test_each_call_of_a_layer_counts():
    x, y = regression_data(40)
    with seeded():
        model = Repeated()
    collected = quiet(model, in_batches(x, y))
    assert [layer.name for layer in collected.layers] == ["block", "head"]
    layer = layer_of(collected, "block")
    assert (layer.rows, layer.calls) == (120, 9)
    assert_moments(layer, torch.cat(activations(model, "block", x)), y.repeat(3, 1), rtol=1e-6)
    assert quiet(model, in_batches(x, y), layers="alias").layers[0].name == "block"


def test_tied_weights_are_two_layers():
    with seeded():
        model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 2))
    model[2].weight = model[0].weight
    x, y = regression_data(40)
    collected = quiet(model, [(x, y)])
    assert [layer.name for layer in collected.layers] == ["0", "2", "3"]
    assert torch.equal(collected.layers[0].weight, collected.layers[1].weight)
    assert_moments(collected.layers[1], activations(model, "2", x)[0], y)


def test_layers_come_in_calling_order():
    class Reversed(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(8, 2)
            self.unused = nn.Linear(5, 2)
            self.first = nn.Linear(8, 8)

        def forward(self, x):
            return self.last(self.first(x))

    collected = quiet(Reversed(), [regression_data()])
    assert [layer.name for layer in collected.layers] == ["first", "last", "unused"]
    unused = collected.layers[2]
    assert (unused.moments, unused.dtype, unused.rows, unused.calls) == (None, None, 0, 0)
    assert unused.weight.shape == (2, 5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions(dtype):
    x, y = regression_data(40)
    model = small_network().to(dtype)
    collected = quiet(model, in_batches(x.to(dtype), y.to(dtype)))
    for name in ("0", "2"):
        layer = layer_of(collected, name)
        features = activations(model, name, x.to(dtype))[0].double()
        assert_moments(layer, features, y.to(dtype).double(), rtol=1e-2 if name == "2" else 1e-10)
        assert layer.dtype == layer.weight_dtype == dtype


def test_under_autocast_the_sums_stay_exact():
    x, y = regression_data(40)
    model = small_network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        collected = quiet(model, [(x, y)])
    assert_moments(layer_of(collected, "0"), x, y)
    np.testing.assert_allclose(
        collected.targets.target_covariance.numpy(), np.cov(y.T, bias=True), rtol=1e-12
    )

    def forward(model, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(x)

    within = quiet(model, [(x, y)], forward=forward)
    assert within.squared_error == collected.squared_error
    assert layer_of(within, "2").dtype == torch.bfloat16


@pytest.mark.parametrize("with_mask", [False, True])
def test_transformer_encoder_runs_unfused(with_mask):
    """Its fast path would call no hook, and with a mask hand nested tensors to the layers."""
    with seeded():
        model = Encoder()
    x, y = regression_data(20, shape=(5,))
    mask = torch.zeros(20, 5, dtype=torch.bool)
    mask[:, 3:] = True
    inputs = (x, mask) if with_mask else (x,)
    collected = quiet(model, [(inputs, y)])
    called = [layer.name for layer in collected.layers if layer.rows]
    attention = ("in_proj_q", "in_proj_k", "in_proj_v", "out_proj")
    inner = (*(f"self_attn.{name}" for name in attention), "linear1", "linear2")
    assert called == [*(f"encoder.layers.{i}.{name}" for i in range(2) for name in inner), "head"]
    assert collected.skipped == ()
    called = [name for name in called if "linear" in name]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    for name in called:
        (features,) = activations(model, name, inputs, forward=lambda m, i: m(*i))
        assert_moments(layer_of(collected, name), mean_rows(features), y, rtol=1e-5)
    torch.backends.mha.set_fastpath_enabled(fused)


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_models_are_measured_eagerly(part, backend):
    x, y = regression_data(40)
    plain = small_network()
    expected = quiet(plain, in_batches(x, y))
    if part:
        compiled = small_network()
        compiled[2].compile(backend=backend)
    else:
        compiled = torch.compile(small_network(), backend=backend)
    with torch.no_grad():
        outputs = compiled(x)  # compiled now, without any hook
    got = quiet(compiled, in_batches(x, y))
    assert [(layer.name, layer.rows) for layer in got.layers] == [("0", 40), ("2", 40)]
    assert got.model == "Sequential"
    assert got.squared_error == expected.squared_error
    for ours, theirs in zip(got.layers, expected.layers, strict=True):
        assert torch.equal(ours.moments.feature_covariance, theirs.moments.feature_covariance)
    with torch.no_grad():
        assert torch.equal(compiled(x), outputs)


def test_wrappers_prefix_the_names():
    x, y = regression_data(40)
    model = nn.DataParallel(small_network())
    assert [layer.name for layer in quiet(model, [(x, y)]).layers] == ["module.0", "module.2"]
    inner = nn.ModuleDict({"net": small_network()})
    collected = quiet(inner, [(x, y)], forward=lambda model, x: model["net"](x))
    assert [layer.name for layer in collected.layers] == ["net.0", "net.2"]


def test_a_legacy_normed_weight_is_the_one_the_call_used():
    """Hook-based norms make the weight anew at each call: before it, the last step's is there."""
    with seeded(), pytest.warns(FutureWarning):
        normed = torch.nn.utils.weight_norm(nn.Linear(8, 2))
    model = nn.Sequential(normed)
    with torch.no_grad():
        normed.weight_g.mul_(3.0)  # as an optimiser's step
    stale = normed.weight.detach().double()
    (layer,) = quiet(model, [regression_data()]).layers
    torch.testing.assert_close(layer.weight, 3.0 * stale)


def test_a_weight_that_is_there_only_during_the_call_is_read_then():
    """As with offloading and sharding: outside the call an empty stand-in is in its place."""
    model = small_network()
    whole = model[0].weight.data
    stand_in = torch.empty_like(whole, device="meta")

    def fetch(module, args):
        module.weight = nn.Parameter(whole)

    def drop(module, args, output):
        module.weight = nn.Parameter(stand_in)

    model[0].weight = nn.Parameter(stand_in)
    model[0].register_forward_pre_hook(fetch)
    model[0].register_forward_hook(drop)
    x, y = regression_data(40)
    collected = quiet(model, [(x, y)])
    assert torch.equal(layer_of(collected, "0").weight, whole.double())


# The plan


def test_the_plan_says_layers_bytes_and_what_is_left_out():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(3, 4)
            self.fc = nn.Linear(4, 1)

    size = state_bytes([4], 1) / 2**20
    statistics = {"": [[JointMoments("mixed")]]}
    assert plan_text(*find_layers(Mixed()), statistics, {"": 1}) == (
        f"measuring 1 layer against 1 target dimension; at most {size:.1f} MiB of state, whatever "
        "the number of samples\n  leaving out embed: Embedding: looks up rows, takes no features"
    )
    text = plan_text(*find_layers(small_network(), "0"), {"": []}, {"": 2})
    assert text.startswith("measuring 1 layer against 2 target dimensions; at most ")
    assert text.endswith("\n  leaving out 2: not selected by layers=")


@pytest.mark.parametrize("progress", [True, False])
def test_the_plan_is_logged_before_the_model_runs(caplog, progress):
    import deepnrc

    x, y = regression_data(40)
    order = []

    def forward(model, x):
        order.append([record.getMessage() for record in caplog.records])
        return model(x)

    with caplog.at_level(logging.INFO, logger="deepnrc"):
        collected = deepnrc.collect(
            small_network(), in_batches(x, y), forward=forward, progress=progress
        )
    assert order[0] == []  # a look at a part of the first batch
    assert len(order[1]) == 1
    assert order[1][0].startswith("measuring 2 layers against 2 target dimensions; at most ")
    assert f"{collected.state_bytes / 2**20:.1f} MiB" in order[1][0]
    assert order[-1] == order[1]  # said once
    assert caplog.records[0].levelno == logging.INFO


def test_one_pass_whatever_the_number_of_layers():
    drawn = []

    class Counting(TensorDataset):
        def __getitem__(self, index):
            drawn.append(index)
            return super().__getitem__(index)

    quiet(small_network(), DataLoader(Counting(*regression_data(40)), 16))
    assert sorted(drawn) == list(range(40))
