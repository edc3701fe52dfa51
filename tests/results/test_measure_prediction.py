"""NRC4 as `measure` reports it: no units matter, and what is left out is said."""

import torch
from torch import nn

import deepnrc


def linear(width, t, weight=None):
    model = nn.Sequential(nn.Linear(width, t, bias=False, dtype=torch.float64))
    if weight is not None:
        model[0].weight.data = weight
    return model


def rows(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_time_stamp_among_standardized_columns():
    x = rows(300, 6)
    y = x[:, 1:2] + x[:, 2:3]
    x[:, 0] = 1.6e9 + 1e7 * x[:, 0]
    layer = deepnrc.measure(linear(6, 1), [(x, y)], progress=False)[0]
    assert layer.linear_prediction_mse <= layer.linear_prediction_floor < 1e-12
    assert (layer.linear_prediction_rank, layer.notes) == (6, ())
    paper = deepnrc.measure(linear(6, 1), [(x, y)], progress=False, rcond=1e-3)[0]
    assert paper.linear_prediction_mse > 1
    assert paper.notes == (
        "NRC4 predicts from 1 of 6 directions: 5 below rcond=0.001 of the largest are dropped, and "
        "what they would add to the prediction",
    )


def test_an_exact_last_layer_of_targets_in_unlike_units_is_collapsed():
    y = rows(3000, 2) * torch.tensor([1.0, 1e4], dtype=torch.float64)
    h = torch.cat([y, 1e-3 * rows(3000, 4)], dim=1)
    model = linear(6, 2, torch.eye(2, 6, dtype=torch.float64))
    found = deepnrc.measure(model, [(h, y)], progress=False, signal_rank=2)
    assert str(deepnrc.diagnose(found)).startswith("Collapsed from 0 on")


def test_what_rounding_hides_is_said():
    x = rows(300, 3)
    x[:, 2] = x[:, 0] + 1e-10 * x[:, 2]
    layer = deepnrc.measure(linear(3, 1), [(x, x[:, :1])], progress=False)[0]
    assert layer.notes == (
        "NRC4 predicts from 2 of 3 directions: 1 is so small beside the others that rounding hides "
        "it, and what it would add to the prediction is not known",
    )


def test_features_whose_squares_underflow_are_undefined():
    x = rows(50, 3) * 1e-170
    layer = deepnrc.measure(linear(3, 1), [(x, rows(50, 1))], progress=False)[0]
    for name in ("linear_prediction_mse", "linear_r2", "noise_component", "linear_cka"):
        assert "squares underflow float64" in layer.undefined[name]
