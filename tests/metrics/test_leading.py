"""Equal values have no leading directions: what depends on a basis of them is undefined."""

import numpy as np
import pytest
import torch
from torch import nn

from deepnrc import measure
from deepnrc.metrics.alignment import linear_cka, signal_target_cka
from deepnrc.metrics.spectrum import noise_component
from deepnrc.metrics.subspace import feature_weight_alignment, noise_weight_alignment
from deepnrc.metrics.view import Undefined
from reference.generators import centered_orthonormal, orthonormal
from twins import view_of

WHITE = "the features have equal variances in 6 directions, so that no 2 of them lead"
EVEN = "the weight reads alike 6 directions, so that no 2 of them lead"


def spread(rng, N=60, d=6):
    return centered_orthonormal(rng, N, d) * np.arange(d, 0, -1)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_white_features(rng, scale):
    H, Y = scale * centered_orthonormal(rng, 60, 6), rng.standard_normal((60, 2))
    W = np.diag([6.0, 5, 4, 3, 2, 1])
    for basis in (np.eye(6), orthonormal(rng, 6, 6)):
        view = view_of(H @ basis, Y, W @ basis, k=2)
        assert signal_target_cka(view) == Undefined(WHITE)
        assert feature_weight_alignment(view) == Undefined(WHITE)
        assert noise_weight_alignment(view) == Undefined(WHITE)
        assert noise_component(view) == pytest.approx(4 / 6)  # in any basis
        assert isinstance(linear_cka(view), float)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_an_orthogonal_weight(rng, scale):
    view = view_of(spread(rng), rng.standard_normal((60, 2)), scale * orthonormal(rng, 6, 6), k=2)
    assert feature_weight_alignment(view) == Undefined(EVEN)
    assert noise_weight_alignment(view) == Undefined(EVEN)
    assert isinstance(signal_target_cka(view), float)


def test_equal_values_on_one_side_of_the_cut_do_not_matter(rng):
    Y = rng.standard_normal((60, 2))
    H = centered_orthonormal(rng, 60, 6) * [2, 2, 1, 1, 1, 1]
    W = np.diag([3.0, 3, 1, 1, 1, 1])
    view = view_of(H, Y, W, k=2)
    assert feature_weight_alignment(view) == pytest.approx(1, rel=1e-12)
    assert isinstance(signal_target_cka(view), float)
    one = view_of(H, Y, W, k=1)
    assert "equal variances in 2 directions, so that no 1" in signal_target_cka(one).reason


def test_directions_beyond_the_rank_are_no_tie(rng):
    H = centered_orthonormal(rng, 60, 6) * [2, 0, 0, 0, 0, 0]
    assert isinstance(signal_target_cka(view_of(H, rng.standard_normal((60, 3)), k=3)), float)


@pytest.mark.parametrize("gap", [1e-12, 1e-9, 1e-3])
def test_a_gap_beyond_rounding_leads(rng, gap):
    H = centered_orthonormal(rng, 60, 6) * np.sqrt([1 + gap, 1 + gap, 1, 1, 1, 1])
    W = np.diag([1 + gap, 1 + gap, 1, 1, 1, 1])
    view = view_of(H, rng.standard_normal((60, 2)), W, k=2)
    # Eigenvectors turn by rounding over the gap.
    assert feature_weight_alignment(view) == pytest.approx(1, abs=1e-15 / gap + 1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_an_orthogonal_parametrization_and_a_trained_weight(dtype):
    torch.manual_seed(0)
    x = torch.randn(200, 8, dtype=dtype)
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).to(dtype)
    assert not measure(net, [(x, x[:, :2])])["0"].undefined
    nn.utils.parametrizations.orthogonal(net[0])
    layer = measure(net, [(x, x[:, :2])])["0"]
    reason = "the weight reads alike 8 directions, so that no 2 of them lead"
    assert layer.undefined["feature_weight_alignment"] == reason
    assert "signal_target_cka" not in layer.undefined


def test_a_wide_weight_as_initialized_has_leading_directions():
    torch.manual_seed(0)
    net = nn.Linear(1024, 1024)
    x = torch.randn(64, 1024)
    assert "feature_weight_alignment" not in measure(net, [(x, x[:, :3])])[0].undefined


def test_a_gap_of_a_ten_thousandth_leads_in_single_precision():
    torch.manual_seed(0)
    net = nn.Linear(6, 6, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.diag(torch.tensor([1.0001, 1.0001, 1, 1, 1, 1])))
    x = torch.randn(200, 6) * torch.arange(6, 0, -1)
    assert "feature_weight_alignment" not in measure(net, [(x, x[:, :2])])[0].undefined
