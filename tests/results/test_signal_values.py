"""Targets of low rank: the conditions at their rank beside those at their number."""

import math

import pytest
import torch
from torch import nn

import deepnrc
from helpers import regression_data, small_network


def low_rank(n=200, t=4, r=1):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 8, generator=generator)
    return x, x[:, :r] @ torch.randn(r, t, generator=generator)


def collapsed(t=4, r=1):
    """Exactly collapsed to r directions from the second layer on."""
    x, y = low_rank(t=t, r=r)
    solution = torch.linalg.lstsq(x, y).solution
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.Linear(16, t, bias=False))
    U, S, V = torch.linalg.svd(solution.T)
    basis = torch.linalg.qr(torch.randn(16, r, generator=torch.Generator().manual_seed(1))).Q
    with torch.no_grad():
        model[0].weight.copy_(basis @ V[:r])
        model[1].weight.copy_(U[:, :r] @ torch.diag(S[:r]) @ basis.T)
    return model, [(x, y)]


def test_the_verdict_is_that_of_the_targets_rank():
    model, batches = collapsed()
    default = deepnrc.diagnose(deepnrc.measure(model, batches))
    asked = deepnrc.diagnose(deepnrc.measure(model, batches, signal_rank="targets"))
    assert default.first_collapsed_layer == asked.first_collapsed_layer == "1"
    assert default.target_rank == 1
    assert "judged at k = 1, the rank of the targets" in str(default)
    assert asked.target_rank is None


def test_values_are_those_of_a_measurement_at_that_rank():
    model, batches = small_network(t=4), [low_rank()]
    default = deepnrc.measure(model, batches)
    asked = deepnrc.measure(model, batches, signal_rank=1)
    assert default.signal_rank == 4
    for one, other in zip(default, asked, strict=True):
        at = one.at_target_rank
        for name in ("noise_component", "signal_target_cka", "feature_weight_alignment"):
            # Other spectra of W are taken where fewer directions must be exact.
            assert getattr(at, name) == pytest.approx(getattr(other, name), rel=1e-9)
        assert at.random_alignment == other.random_alignment
        assert other.at_target_rank is None
    text = str(default)
    assert "low rank: 1 direction holds 99 % of their variance. The same at k = 1, by" in text


def test_they_are_stored(tmp_path):
    got = deepnrc.measure(small_network(t=4), [low_rank()])
    got.save(tmp_path / "m.json")
    loaded = deepnrc.load(tmp_path / "m.json")
    assert loaded == got
    assert deepnrc.diagnose(loaded) == deepnrc.diagnose(got)


@pytest.mark.parametrize("options", [{"signal_rank": 4}, {"signal_rank": "targets"}])
def test_not_where_a_rank_was_asked_for(options):
    got = deepnrc.measure(small_network(t=4), [low_rank()], **options)
    assert got[0].at_target_rank is None


def test_not_for_targets_of_full_rank():
    got = deepnrc.measure(small_network(), [regression_data(40)])
    assert got[0].at_target_rank is None
    assert "at_target_rank" not in got.to_dict()["layers"][0]


def test_undefined_values_keep_their_reasons():
    x, y = low_rank()
    model = small_network(t=4)
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.fill_(-1.0)
    layer = deepnrc.measure(model, [(x, y)])["2"]
    assert math.isnan(layer.at_target_rank.noise_component)
    assert layer.at_target_rank.undefined["noise_component"].startswith("the layer is dead")


def test_without_it_noise_in_further_directions_would_veto():
    """A weight of full rank reads three directions of noise beside the one that holds signal."""
    model, [(x, y)] = collapsed()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in (model[0], model[1]):
            noise = torch.randn(layer.weight.shape, generator=generator)
            layer.weight.add_(0.02 * layer.weight.norm() * noise / noise.norm())
    batches = [(x, y)]
    at_t = deepnrc.diagnose(deepnrc.measure(model, batches, signal_rank=4), error_factor=100.0)
    default = deepnrc.diagnose(deepnrc.measure(model, batches), error_factor=100.0)
    assert at_t.first_collapsed_layer is None
    assert default.first_collapsed_layer == "1"
