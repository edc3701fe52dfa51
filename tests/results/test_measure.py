"""The record `measure` gives: its values, what is undefined and why, saving, and bad arguments."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import deepnrc
from deepnrc.errors import ArgumentError, LayerError
from deepnrc.metrics.catalogue import CATALOGUE
from helpers import (
    activations,
    in_batches,
    in_plain_python,
    quiet,
    regression_data,
    small_network,
)
from reference.spectrum import noise_component
from reference.subspace import feature_weight_alignment


def as_text(record):
    """Every field, NaN equal to NaN."""
    return repr(record)


# Values


def test_values_are_the_twins_on_the_layers_own_rows():
    x, y = regression_data(200, d=12, t=3)
    model = small_network(d=12, width=20, t=3)
    got = deepnrc.measure(model, in_batches(x, y, size=64))
    for name in got.names:
        (features,) = activations(model, name, x)
        H, W = features.double().numpy(), dict(model.named_modules())[name].weight.detach().numpy()
        layer = got[name]
        assert layer.noise_component == pytest.approx(noise_component(H, 3), rel=1e-5)
        alignment = feature_weight_alignment(H, W, 3)
        assert layer.feature_weight_alignment == pytest.approx(alignment, rel=1e-5)
    error = (model(x) - y).square().mean().item()
    assert got.model_mse == pytest.approx(error, rel=1e-6)
    variance = y.double().var(0, correction=0).mean().item()
    assert got.model_r2 == pytest.approx(1 - error / variance, abs=1e-6)
    np.testing.assert_allclose(got.target_mean, y.double().mean(0).numpy(), rtol=1e-9)
    eigenvalues = np.linalg.eigvalsh(np.cov(y.numpy().astype(float).T, bias=True))[::-1]
    np.testing.assert_allclose(got.target_eigenvalues, eigenvalues, rtol=1e-9)


def test_the_record_says_how_it_was_made():
    x, y = regression_data(40)
    got = deepnrc.measure(
        small_network(),
        in_batches(x, y),
        reduce="last",
        signal_rank=1,
        center=False,
        intercept=False,
        rcond=1e-4,
        precision="double",
        layers="2",
    )
    facts = (got.model, got.samples, got.batches, got.target_dim, got.signal_rank, got.names)
    assert facts == ("Sequential", 40, 3, 2, 1, ("2",))
    how = (got.reduce, got.center, got.intercept, got.rcond, got.precision, got.version)
    assert how == ("last", False, False, 1e-4, "double", deepnrc.__version__)
    assert [(x.name, x.reason) for x in got.skipped] == [("0", "not selected by layers=")]
    assert got.state_bytes > 0
    assert got.undefined == {}


def test_collect_then_evaluate_is_measure():
    x, y = regression_data(40)
    model = small_network()
    collected = quiet(model, in_batches(x, y))
    options = {"signal_rank": 1, "center": False, "intercept": False, "rcond": 0.1}
    whole = deepnrc.measure(model, in_batches(x, y), **options)
    assert as_text(deepnrc.evaluate(collected, **options)) == as_text(whole)
    assert as_text(deepnrc.evaluate(collected)) != as_text(whole)


def test_batching_and_shuffling_do_not_matter():
    x, y = regression_data(200)
    model = small_network()
    whole = deepnrc.measure(model, [(x, y)])
    shuffled = DataLoader(TensorDataset(x, y), 7, shuffle=True)  # and a ragged last batch
    for loader in (in_batches(x, y, size=33), in_batches(x, y, size=1), shuffled):
        got = deepnrc.measure(model, loader)
        for one, other in zip(got, whole, strict=True):
            assert one.values == pytest.approx(other.values, rel=1e-5)
        assert got.model_mse == pytest.approx(whole.model_mse, rel=1e-6)


# Access


def test_layers_are_found_by_name_and_position(measurement):
    names = ("0.linear1", "0.linear2", "2", "0.self_attn.out_proj")
    assert measurement.names == names
    assert len(measurement) == 4
    assert [layer.name for layer in measurement] == list(names)
    assert measurement["2"] is measurement[2] is measurement[-2]
    with pytest.raises(
        KeyError, match=r"no layer '3'; measured: 0.linear1, 0.linear2, 2, 0\.self_"
    ):
        measurement["3"]
    assert set(measurement["2"].values) == set(CATALOGUE)


def test_records_are_frozen(measurement):
    with pytest.raises(dataclasses.FrozenInstanceError):
        measurement.samples = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        measurement["2"].rows = 1


def test_frame_has_a_row_a_layer_and_a_column_a_number(measurement):
    frame = measurement.to_frame()
    assert list(frame.index) == list(measurement.names)
    assert frame.index.name == "layer"
    assert set(CATALOGUE) < set(frame.columns)
    assert frame.loc["2", "linear_r2"] == measurement["2"].linear_r2
    assert frame.loc["2", "rows"] == 40
    assert math.isnan(frame.loc["0.self_attn.out_proj", "noise_component"])
    assert not {"name", "eigenvalues", "undefined", "notes"} & set(frame.columns)


# What is not defined


def test_a_layer_that_saw_no_rows_is_undefined_with_the_reason(measurement):
    layer = measurement["0.self_attn.out_proj"]
    assert (layer.rows, layer.calls, layer.eigenvalues) == (0, 0, ())
    assert all(math.isnan(value) for value in layer.values.values())
    assert set(layer.undefined) == {*CATALOGUE, "bound", "bound_residual", "spectral_bound"}
    assert set(layer.undefined.values()) == {
        "the layer saw no rows: its forward was never called (not used by the model, or its weight "
        "is used directly by a fused kernel)"
    }
    assert "the layer saw no rows" in str(measurement)
    assert [x.name for x in measurement.skipped] == ["0.self_attn"]


def every_undefined_value_is_nan_with_a_reason(measurement):
    for layer in measurement:
        for name, value in layer.values.items():
            assert math.isnan(value) == (name in layer.undefined), (layer.name, name)
            assert layer.undefined.get(name, "reason")
        assert math.isnan(layer.bound) == ("bound" in layer.undefined)
    assert math.isnan(measurement.model_r2) == ("model_r2" in measurement.undefined)
    assert math.isnan(measurement.model_mse) == ("model_mse" in measurement.undefined)


def test_a_dead_layer():
    x, y = regression_data(40)
    model = small_network()
    with torch.no_grad():
        model[0].bias.fill_(-1e3)
    got = deepnrc.measure(model, in_batches(x, y))
    every_undefined_value_is_nan_with_a_reason(got)
    reason = "the layer is dead: its features are 0 for every sample"
    assert got["2"].undefined["noise_component"] == reason
    assert reason in str(got)


def test_constant_targets():
    x, _ = regression_data(40)
    got = deepnrc.measure(small_network(), [(x, torch.full((40, 2), 3.0))])
    every_undefined_value_is_nan_with_a_reason(got)
    reason = "the targets are the same for every sample"
    assert got.undefined == {"model_r2": reason}
    assert got["0"].undefined["signal_target_cka"] == reason
    assert not math.isnan(got["0"].noise_component)


def test_more_targets_than_a_layers_width():
    x, y = regression_data(60, d=3, t=5)
    got = deepnrc.measure(small_network(d=3, width=16, t=5), [(x, y)])
    every_undefined_value_is_nan_with_a_reason(got)
    narrow = got["0"]
    assert narrow.signal_rank == 3
    assert narrow.undefined["noise_component"] == (
        "the signal rank 5 fills the layer's width 3: no direction is left for noise"
    )
    assert not math.isnan(narrow.signal_target_cka)
    assert any("NRC2 uses all 3 directions of the layer" in note for note in narrow.notes)
    assert not math.isnan(got["2"].noise_component)


def test_one_sample():
    x, y = regression_data(1)
    got = deepnrc.measure(small_network(), [(x, y)])
    every_undefined_value_is_nan_with_a_reason(got)
    assert got["0"].undefined["noise_component"] == "one sample has no variance"
    assert not math.isnan(got.model_mse)


def test_predictions_that_are_no_tensor():
    x, y = regression_data(40)
    got = deepnrc.measure(small_network(), [(x, y)], forward=lambda model, x: {"y": model(x)})
    every_undefined_value_is_nan_with_a_reason(got)
    reason = (
        "the model returned a dict, not a tensor: pass output= that says which part of it are the "
        "predictions, or forward= that returns them"
    )
    assert got.undefined == {"model_mse": reason, "model_r2": reason}
    assert f"model's own MSE undefined: {reason}" in str(got)


def test_fewer_samples_than_width_is_said():
    x, y = regression_data(6, d=8)
    got = deepnrc.measure(small_network(), [(x, y)])
    assert any("directions to 6 rows: it interpolates" in note for note in got["0"].notes)


# Arguments


@pytest.mark.parametrize("signal_rank", [0, -1, True, "all"])
def test_bad_signal_ranks(signal_rank):
    message = f"signal_rank must be a whole number of at least 1, .* got {signal_rank!r}$"
    with pytest.raises(ArgumentError, match=message):
        deepnrc.measure(small_network(), never(), signal_rank=signal_rank)
    with pytest.raises(ArgumentError, match=message):
        deepnrc.evaluate(quiet(small_network(), [regression_data()]), signal_rank=signal_rank)


@pytest.mark.parametrize("rcond", [-1e-3, 1.0, float("nan"), float("inf")])
def test_bad_tolerances(rcond):
    with pytest.raises(ArgumentError, match=f"rcond must be at least 0 and below 1; got {rcond!r}"):
        deepnrc.measure(small_network(), never(), rcond=rcond)


def never():
    pytest.fail("a batch was drawn")
    yield


def test_arguments_of_the_wrong_kind():
    """In a Python of its own: under pytest beartype would refuse them first."""
    calls = {
        "measure([], batches)": "model must be a torch.nn.Module; got list",
        "measure(lambda x: x, batches)": "model must be a torch.nn.Module; got function",
        "measure(model, 7)": (
            "loader must be an iterable of (inputs, targets), a DataLoader or a list of batches, "
            "or data: a data set or a tuple (X, y); got int"
        ),
        "measure(model, batches, reduce=None)": (
            "reduce must be one of 'mean', 'first', 'last', 'samples', a position, or a function "
            "of (layer name, activation); got None"
        ),
        "measure(model, batches, reduce=1.0)": (
            "reduce must be one of 'mean', 'first', 'last', 'samples', a position, or a function "
            "of (layer name, activation); got 1.0"
        ),
        "measure(model, batches, reduce=lambda n, x: 3)": (
            "layer '0': reduce= must return a (rows, 8) tensor; got int"
        ),
        "measure(model, batches, signal_rank=2.0)": (
            "signal_rank must be a whole number of at least 1, 'targets' for the targets' own "
            "rank, or None for the target dimension; got 2.0"
        ),
        "measure(model, batches, rcond='x')": (
            "rcond must be at least 0 and below 1; got 'x': 1e-3 is the paper's cut-off, None "
            "keeps all that the moments resolve"
        ),
        "measure(model, batches, metrics=[len])": (
            "metrics must be a list of deepnrc.Metric; it holds a builtin_function_or_method: wrap "
            "a function as deepnrc.Metric('my_metric', compute=function)"
        ),
        "measure(model, batches, metrics=[deepnrc.Metric('a', 3)])": (
            "metric 'a': compute must be a function of a LayerView; got a int"
        ),
        "deepnrc.measure_heads(model, batches, outputs=['a'])": (
            "outputs must be a mapping {head: key, index, attribute or function}; got a list"
        ),
        "deepnrc.diagnose(deepnrc.HeadMeasurements(heads={}))": (
            "measurement must be a deepnrc.Measurement; got a HeadMeasurements: pass what "
            "deepnrc.measure(model, loader) returns; what measure_heads returns is judged by its "
            "own .diagnose()"
        ),
        "measure(model, batches, precision=32)": "precision must be 'mixed' or 'double'; got 32",
        "measure(model, batches, layers=7)": (
            "layers must be a name, a glob, a module type, a predicate or several of these; got int"
        ),
        "measure(model, batches, layers=['0', 7])": (
            "layers must be a name, a glob, a module type, a predicate or several of these; got int"
        ),
    }
    out = in_plain_python(f"""
        import json
        import deepnrc
        from deepnrc import measure
        from deepnrc.errors import DeepNRCError
        from helpers import regression_data, small_network
        model, batches = small_network(), [regression_data()]
        said = {{}}
        for call in {list(calls)!r}:
            try:
                eval(call)
            except DeepNRCError as error:
                said[call] = str(error)
        print(json.dumps(said))
    """)
    assert json.loads(out) == calls


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_models_that_cannot_be_measured_say_what_to_do():
    x, y = regression_data(40)
    with pytest.raises(LayerError, match=r"RecursiveScriptModule has no weight layer .* original$"):
        deepnrc.measure(torch.jit.script(small_network()), [(x, y)])
    with pytest.raises(LayerError, match=r"ReLU has no weight layer \(nn.Linear or convolution\)"):
        deepnrc.measure(nn.ReLU(), [(x, y)])
    with pytest.raises(LayerError, match=r"'1' \(LazyBatchNorm1d\) has no weight yet"):
        deepnrc.measure(nn.Sequential(nn.Linear(8, 2), nn.LazyBatchNorm1d()), [(x, y)])
    lazy = nn.Sequential(nn.LazyLinear(2))
    with pytest.raises(LayerError, match=r"'0' \(LazyLinear\) has no weight yet: run the model"):
        deepnrc.measure(lazy, [(x, y)])
    lazy(x)
    assert deepnrc.measure(lazy, [(x, y)]).names == ("0",)


@pytest.mark.parametrize(
    ("dtype", "large", "width"), [(torch.bfloat16, 3000.0, 256), (torch.float16, 1000.0, 4)]
)
def test_one_large_constant_unit_does_not_hide_the_others(dtype, large, width):
    """The targets are two of the features, so that the linear prediction is exact."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, width, generator=generator)
    features[:, 0] = large
    features = features.to(dtype)
    model = nn.Linear(width, 2, bias=False).to(dtype)
    (layer,) = deepnrc.measure(model, [(features, features[:, 1:3].double())])
    assert "noise_component" not in layer.undefined
    # Moments of variance 1 in float64: a difference of numbers near 1 leaves a few eps.
    assert layer.linear_prediction_mse < 1e-14


@pytest.mark.parametrize("width", [127, 128, 512])
def test_a_half_precision_weight_of_any_width_has_a_rank(width):
    """Rounding moves singular values by a few thousandths of the largest, whatever the width."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, width, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(width, 2, bias=False)
    (exact,) = deepnrc.measure(model, [(x, x[:, :2])])
    (half,) = deepnrc.measure(model.bfloat16(), [(x.bfloat16(), x[:, :2])])
    assert half.alignment_rank == exact.alignment_rank == 2
    # bfloat16 keeps three digits of features and weights.
    assert half.feature_weight_alignment == pytest.approx(exact.feature_weight_alignment, abs=0.05)
