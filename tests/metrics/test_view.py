"""What a view says before any metric is computed."""

import pytest
import torch
from torch import nn

from deepnrc import measure

NAMES = (
    "noise_component",
    "signal_target_cka",
    "feature_weight_alignment",
    "linear_prediction_mse",
)


def layer(size):
    torch.manual_seed(0)
    x = torch.randn(200, 6, dtype=torch.float64)
    net = nn.Linear(6, 2, dtype=torch.float64)
    return measure(net, [(x * size, x[:, :2])], progress=False)[0]


@pytest.mark.parametrize("size", [1e-140, 1e-100, 1e100, 1e145])
def test_the_size_of_features_does_not_matter(size):
    found, expected = layer(size), layer(1.0)
    for name in NAMES:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12, abs=1e-13)
    assert found.weight_source == ""


@pytest.mark.parametrize("size", [1e-155, 1e-160, 1e-170, 1e-300])
def test_features_whose_squares_underflow_are_undefined_and_say_so(size):
    found = layer(size)
    for name in NAMES:
        assert found.undefined[name].startswith("the features are at most about ")
        assert found.undefined[name].endswith(
            "so that their squares underflow float64: scale them up"
        )
    assert found.weight_source == ""
