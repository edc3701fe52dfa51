"""Errors of a pass: what is wrong, in which layer and batch."""

import pytest
import torch
from torch import nn

from deepnrc.errors import ArgumentError, DataError, FeatureRangeError, LayerError, NonFiniteError
from helpers import (
    activations,
    assert_moments,
    in_batches,
    layer_of,
    quiet,
    regression_data,
    seeded,
    small_network,
)
from networks import Repeated, Tokens


def test_rows_and_targets_that_do_not_pair_up():
    x, y = regression_data(40)
    loader = [(x, y), (x[:30], y)]
    message = (
        r"no layer of Sequential gave rows that can be paired with the targets \('0': its input "
        r"holds 30 samples in a batch of 40 targets; '2': .*\)\. If another axis than the first "
        r"holds the samples, pass batch_dim="
    )
    with pytest.raises(DataError, match=message):
        quiet(small_network(), loader)
    message = r"'0': its input has the shape \(30, 8\) for 40 samples, and no axis of the inp"
    with pytest.raises(DataError, match=message):
        quiet(small_network(), [(x[:30], y)], reduce="samples")
    with pytest.raises(DataError, match=r"'0': its input has the shape \(40, 8\) for 20 samples"):
        quiet(small_network(), [(x, y[:20])])  # a multiple is no licence to repeat


def test_the_number_of_targets_must_not_change():
    x, y = regression_data(40)
    message = "targets of batch 1 have 1 columns; the batches before had 2: yield the same targets"
    with pytest.raises(DataError, match=message):
        quiet(small_network(), [(x, y), (x, y[:, :1])])


def test_no_layer_was_called():
    def forward(model, x):
        return x @ model[0].weight.T @ model[2].weight.T

    message = (
        r"no layer of Sequential was called during the pass: it computes with its weights directly "
        r"\(a fused or exported graph\); measure the original module"
    )
    with pytest.raises(LayerError, match=message):
        quiet(small_network(), [regression_data()], forward=forward)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("keep_error", [True, False])
def test_non_finite_features_name_layer_and_batch(value, keep_error):
    """Rows are gathered into chunks of 2048, so the batch is long past when they are summed."""
    x, y = regression_data(5000)
    x[4210, 3] = value
    message = "features of layer '0' hold NaN or infinity in batch 42: look at that batch's inputs"
    forward = None if keep_error else lambda model, x: (model(x),)
    with pytest.raises(NonFiniteError, match=message):
        quiet(small_network(), in_batches(x, y, size=100), forward=forward)


def test_the_first_layer_with_non_finite_features_is_named():
    x, y = regression_data(40)
    model = nn.Sequential(*small_network(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].bias[3] = float("inf")
    with pytest.raises(NonFiniteError, match=r"features of layer '2' .* in batch 0"):
        quiet(model, in_batches(x, y))


def test_non_finite_features_of_repeated_calls_name_the_batch():
    x, y = regression_data(400)
    x[333, 0] = float("nan")
    with seeded():
        model = Repeated()
    with pytest.raises(NonFiniteError, match=r"layer 'block' .* in batch 33:"):
        quiet(model, in_batches(x, y, size=10), forward=lambda model, x: (model(x),))


def test_non_finite_predictions_of_finite_features():
    x, y = regression_data(40)
    model = small_network()
    calls = iter(range(9))
    message = (
        "the model's predictions for batch 2 hold NaN or infinity: look at that batch's inputs and "
        "at the last layer's weights"
    )
    with pytest.raises(NonFiniteError, match=message):
        quiet(
            model,
            in_batches(x, y),
            forward=lambda model, x: model(x) * (float("nan") if next(calls) == 3 else 1.0),
        )


def test_non_finite_targets_name_the_batch():
    x, y = regression_data(40)
    y[20, 1] = float("nan")
    with pytest.raises(NonFiniteError, match=r"targets of batch 1 hold NaN or infinity .* 4\)"):
        quiet(small_network(), in_batches(x, y))


def test_numbers_too_large_to_square():
    x, y = regression_data(40)
    model = small_network().double()
    with pytest.raises(FeatureRangeError, match=r"layer '0': features reach .*: their squares"):
        quiet(model, [(x.double() * 1e200, y)])
    with pytest.raises(DataError, match=r"targets of batch 0 reach .*: their squares overflow"):
        quiet(model, [(x.double(), y.double() * 1e200)])
    with pytest.raises(DataError, match=r"predictions for batch 0 reach .*: their squared errors"):
        quiet(model, [(x.double(), y)], forward=lambda model, x: model(x) * 1e200)


def test_a_wrong_input_width_is_named_before_torch_trips():
    x, y = regression_data(40, d=5)
    with pytest.raises(LayerError, match=r"layer '0' takes 8 features; got .* \(40, 5\)"):
        quiet(small_network(), [(x, y)])


def test_a_position_the_layer_does_not_have():
    x, y = regression_data(20, shape=(5,))
    collected = quiet(Tokens(), [(x, y)], reduce=5)
    assert layer_of(collected, "token").unpaired.reason == (
        "reduce must be one of the 5 positions of its input; got 5: count from 0, or from -1 "
        "backwards"
    )
    assert layer_of(collected, "head").unpaired is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "single"}, "precision must be 'mixed' or 'double'; got 'single'"),
        ({"reduce": "max"}, "reduce must be one of 'mean', 'first', .*; got 'max'"),
        (
            {"device": "cuda:0"},
            r"device is 'cuda:0' but the model is on 'cpu': move it first with "
            r"model.to\('cuda:0'\); measure never moves a model",
        ),
        ({"device": "gpu"}, "device='gpu' is none that torch knows, such as 'cpu' or 'cuda:0'"),
    ],
)
def test_arguments_are_checked_before_any_batch_is_drawn(options, message):
    def loader():
        pytest.fail("a batch was drawn")
        yield

    with pytest.raises(ArgumentError, match=message):
        quiet(small_network(), loader(), **options)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_the_models_own_device_may_be_named(device):
    assert quiet(small_network(), [regression_data(40)], device=device).targets.count == 40


@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_precisions_agree(precision):
    x, y = regression_data(3000, d=8)
    model = small_network(width=200)
    collected = quiet(model, in_batches(x, y, size=1000), precision=precision)
    assert collected.options.precision == precision
    (features,) = activations(model, "2", x)
    assert_moments(layer_of(collected, "2"), features, y, rtol=1e-6)
