"""`measure` from model to number, against the twins on the features that entered the layers."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepnrc import measure
from reference import prediction, spectrum, subspace
from reference.mlp import mlp_features
from reference.proposition import proposition_1
from twins import assert_agree, cut, few_rows, twin_values


def mlp(generator, widths, *, dtype=torch.float64, bias=True):
    """Linear layers with ReLUs between; weights of unit gain from the generator."""
    modules = []
    for a, b in itertools.pairwise(widths):
        layer = nn.Linear(a, b, bias=bias, dtype=dtype)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(b, a, generator=generator) * (2 / a) ** 0.5)
            if bias:
                layer.bias.copy_(0.1 * torch.randn(b, generator=generator))
        modules += [layer, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def batches(X, Y, sizes=(50,)):
    return [(X[rows], Y[rows]) for rows in cut(len(X), sizes)]


def measured_with_features(model, loader, **options):
    """The measurement, and the features and predictions of the same pass, by other hooks."""
    linear = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    seen = {name: [] for name in linear}
    outputs = []
    handles = [
        m.register_forward_pre_hook(lambda _, args, name=name: seen[name].append(args[0].clone()))
        for name, m in linear.items()
    ]
    handles.append(model.register_forward_hook(lambda _, __, out: outputs.append(out.clone())))
    try:
        measurement = measure(model, loader, progress=False, **options)
    finally:
        for handle in handles:
            handle.remove()
    # The first run was a look at a part of the first batch.
    features = {name: torch.cat(rows[1:]).double().numpy() for name, rows in seen.items()}
    return measurement, features, torch.cat(outputs[1:]).double().numpy()


def weight_of(model, name):
    return model.get_submodule(name).weight.detach().double().numpy()


CASES = {  # N, widths
    "plain": (200, [8, 30, 20, 2]),
    "fewer samples than width": (15, [8, 30, 40, 2]),
    "more targets than features": (120, [10, 3, 12, 5]),
    "wide": (300, [20, 100, 150, 3]),
}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_every_metric_of_a_float64_model_to_1e_10(generator, name, intercept):
    N, widths = CASES[name]
    model = mlp(generator, widths)
    X = torch.randn(N, widths[0], generator=generator, dtype=torch.float64)
    Y = X[:, : widths[-1]] + torch.randn(N, widths[-1], generator=generator, dtype=torch.float64)
    measurement, features, predictions = measured_with_features(
        model, batches(X, Y, (13, 50)), intercept=intercept
    )
    assert measurement.names == tuple(features)
    for layer in measurement:
        H, W = features[layer.name], weight_of(model, layer.name)
        expected = twin_values(
            H, Y, W, widths[-1], intercept=intercept, alignment_rank=layer.alignment_rank
        )
        if name == "fewer samples than width" and layer.width > N:
            # The features interpolate: NRC4 is 0, of which only rounding is seen.
            assert expected.pop("linear_prediction_mse") < 1e-20
            assert expected.pop("linear_r2") == pytest.approx(1, abs=1e-12)
            assert layer.linear_prediction_mse <= layer.linear_prediction_floor < 1e-10
            assert any("it interpolates" in note for note in layer.notes)
        assert_agree(layer.values, expected, rtol=1e-10)
        if not math.isnan(layer.bound):
            sides = proposition_1(H, Y, widths[-1])
            assert (layer.bound_residual, layer.bound) == pytest.approx(sides, rel=1e-9, abs=1e-7)
        eigenvalues = np.linalg.svd(H - H.mean(0), compute_uv=False) ** 2 / N
        np.testing.assert_allclose(
            layer.eigenvalues[: len(eigenvalues)], eigenvalues, rtol=0, atol=1e-13 * eigenvalues[0]
        )
    Yn = Y.numpy()
    mse = prediction.model_mse(predictions, Yn)
    assert measurement.model_mse == pytest.approx(mse, rel=1e-12)
    assert measurement.model_r2 == pytest.approx(1 - mse / Yn.var(0).mean(), rel=1e-12)
    np.testing.assert_allclose(measurement.target_mean, Yn.mean(0), rtol=1e-10)
    assert measurement.samples == N


def test_features_are_those_of_the_formula(generator):
    """Without hooks of torch: weights and inputs alone, by NumPy."""
    model = mlp(generator, [6, 20, 12, 2], bias=False)
    X = torch.randn(90, 6, generator=generator, dtype=torch.float64)
    Y = X[:, :2] ** 2
    measurement = measure(model, batches(X, Y), progress=False)
    weights = [weight_of(model, name) for name in measurement.names]
    features, predictions = mlp_features(weights, X.numpy())
    for layer, H, W in zip(measurement, features, weights, strict=True):
        assert_agree(layer.values, twin_values(H, Y, W, 2), rtol=1e-10)
    mse = prediction.model_mse(predictions, Y.numpy())
    assert measurement.model_mse == pytest.approx(mse, rel=1e-12)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 150), min_size=1, max_size=5),
    seed=st.integers(0, 2**16),
    mean=st.sampled_from([0.0, 1e3, 1e6]),
)
def test_batches_and_order_change_nothing(sizes, seed, mean):
    generator = torch.Generator().manual_seed(seed)
    # The first layer's features are the data: with a mean of up to 1e6 standard deviations.
    model = mlp(generator, [5, 14, 2])
    X = torch.randn(120, 5, generator=generator, dtype=torch.float64)
    Y = X[:, :2] + torch.randn(120, 2, generator=generator, dtype=torch.float64)
    X = X + mean
    order = torch.randperm(120, generator=generator)
    whole = measure(model, [(X, Y)], layers="0", progress=False)
    for loader in (batches(X, Y, sizes), batches(X[order], Y[order], sizes)):
        measurement = measure(model, loader, layers="0", progress=False)
        assert_agree(measurement["0"].values, whole["0"].values, rtol=1e-10)
        assert measurement["0"].undefined == whole["0"].undefined
        assert measurement.model_mse == pytest.approx(whole.model_mse, rel=1e-8)  # of 1e6 ± 1
    W = weight_of(model, "0")
    assert_agree(whole["0"].values, twin_values(X.numpy(), Y.numpy(), W, 2), rtol=1e-10)


@pytest.mark.parametrize("width", [64, 300])
@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_every_metric_of_a_float32_model_to_1e_6(generator, width, precision):
    model = mlp(generator, [12, width, width, 3], dtype=torch.float32)
    X = torch.randn(9000, 12, generator=generator)
    Y = X[:, :3] + 0.3 * torch.randn(9000, 3, generator=generator)
    measurement, features, _ = measured_with_features(
        model, batches(X, Y, (1000, 37)), precision=precision
    )
    for layer in measurement:
        W = weight_of(model, layer.name)
        expected = twin_values(*few_rows(features[layer.name], Y.double().numpy()), W, 3)
        assert_agree(layer.values, expected, rtol=1e-6)


@pytest.mark.parametrize("center", [True, False])
def test_a_bias_free_model_with_targets_off_zero(generator, center):
    model = mlp(generator, [6, 30, 20, 2], bias=False)
    X = torch.randn(150, 6, generator=generator, dtype=torch.float64) + 1
    Y = X[:, :2] + 5
    measurement, features, _ = measured_with_features(
        model, batches(X, Y), center=center, intercept=False
    )
    for layer in measurement:
        H, W = features[layer.name], weight_of(model, layer.name)
        assert layer.noise_component == pytest.approx(
            spectrum.noise_component(H, 2, centered=center), rel=1e-10
        )
        assert layer.feature_weight_alignment == pytest.approx(
            subspace.feature_weight_alignment(H, W, 2, centered=center), rel=1e-10
        )
        assert layer.bound_residual == pytest.approx(proposition_1(H, Y, 2)[0], rel=1e-9)
        assert layer.bound == pytest.approx(proposition_1(H, Y, 2)[1], rel=1e-9)
    assert (measurement.center, measurement.intercept) == (center, False)


@pytest.mark.parametrize(
    ("signal_rank", "k"), [(1, 1), (2, 2), ("targets", 2), (None, 4), (50, 50)]
)
def test_the_signal_rank_is_the_one_asked_for(generator, signal_rank, k):
    """Targets of rank 2 in 4 dimensions."""
    model = mlp(generator, [6, 30, 4])
    X = torch.randn(100, 6, generator=generator, dtype=torch.float64)
    Y = X[:, :2] @ torch.randn(2, 4, generator=generator, dtype=torch.float64)
    measurement, features, _ = measured_with_features(model, batches(X, Y), signal_rank=signal_rank)
    layer = measurement["2"]
    assert measurement.signal_rank == k
    assert layer.signal_rank == min(k, 30)
    expected = twin_values(
        features["2"], Y, weight_of(model, "2"), k, alignment_rank=layer.alignment_rank
    )
    assert_agree(layer.values, expected, rtol=1e-10)


def test_degenerate_layers_and_targets_are_undefined_with_reasons(generator):
    model = mlp(generator, [4, 10, 10, 2])
    X = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        model[0].bias.fill_(-1e9)  # every unit of the first hidden layer dies
    measurement = measure(model, batches(X, X[:, :2]), progress=False)
    dead = "the layer is dead: its features are 0 for every sample"
    assert measurement["2"].undefined["noise_component"] == dead
    assert math.isnan(measurement["2"].signal_target_cka)
    same = "the features are the same for every sample"
    assert measurement["4"].undefined["stable_rank"].startswith(same)
    # What a layer without variance predicts is the mean: NRC4 is the targets' variance.
    variance = float(X[:, :2].var(0, correction=0).mean())
    assert measurement["2"].linear_prediction_mse == pytest.approx(variance, rel=1e-12)
    assert not measurement["0"].undefined

    constant = measure(model, batches(X, 0 * X[:, :2] + 0.1), progress=False)
    reason = "the targets are the same for every sample"
    for name in ("signal_target_cka", "linear_cka", "linear_prediction_mse", "linear_r2", "bound"):
        assert constant["0"].undefined[name] == reason
        assert math.isnan(getattr(constant["0"], name))
    assert constant.undefined == {"model_r2": reason}

    one = measure(model, [(X[:1], X[:1, :2])], progress=False)
    assert one["0"].undefined["noise_component"] == "one sample has no variance"
    assert one["0"].undefined["linear_r2"] == "one sample has no variance"
    assert one["0"].weight_stable_rank > 1  # needs no samples


def test_a_value_that_is_nan_has_a_reason_and_no_other(generator):
    for N, widths in ((1, [3, 4, 2]), (2, [3, 2, 2]), (5, [1, 1, 1]), (4, [3, 9, 4])):
        X = torch.randn(N, widths[0], generator=generator, dtype=torch.float64)
        Y = torch.randn(N, widths[-1], generator=generator, dtype=torch.float64)
        for layer in measure(mlp(generator, widths), [(X, Y)], progress=False):
            bounds = ("bound_residual", "bound", "spectral_bound")
            values = {**layer.values, **{name: getattr(layer, name) for name in bounds}}
            undefined = {name for name, value in values.items() if math.isnan(value)}
            assert undefined == set(layer.undefined)


def test_the_models_own_autocast_does_not_reach_the_sums(generator):
    """bfloat16 features of 150 units, exact in bfloat16, under the caller's autocast."""
    model = mlp(generator, [150, 3], dtype=torch.float32, bias=False)
    signal = torch.randn(4096, 3, generator=generator) @ torch.randn(3, 150, generator=generator)
    X = (signal + 1e-3 * torch.randn(4096, 150, generator=generator)).bfloat16().float()
    Y = X[:, :3].clone()
    truth = spectrum.noise_component(few_rows(X.numpy(), Y.numpy())[0], 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        measurement = measure(model, batches(X, Y, (999,)), progress=False)
    assert truth < 1e-4
    assert measurement["0"].noise_component == pytest.approx(truth, rel=1e-3)


def test_the_global_generators_are_left_alone(generator):
    model = mlp(generator, [4, 10, 2])
    X = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    measure(model, batches(X, X[:, :2]), progress=False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
