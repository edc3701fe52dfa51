"""NRC1 and the ranks of a spectrum: known spectra, the twins, floors, undefined values."""

import math

import numpy as np
import pytest
import torch

from deepnrc.linalg.energy import energy_rank
from deepnrc.metrics.spectrum import (
    covariance_stable_rank,
    entropy_rank,
    noise_component,
    noise_component_floor,
    participation_ratio,
    stable_rank,
    weight_stable_rank,
)
from deepnrc.metrics.view import Undefined
from reference import spectrum
from reference.generators import features_with_spectrum
from twins import accumulated, few_rows, shifted, view_of, view_of_moments

RANKS = (stable_rank, covariance_stable_rank, entropy_rank, participation_ratio)


def test_ranks_of_a_prescribed_spectrum(rng):
    view = view_of(features_with_spectrum(rng, 50, 6, [4, 2, 1, 1], mean=3), np.ones((50, 1)), k=2)
    assert noise_component(view) == pytest.approx(2 / 8, rel=1e-13)
    assert stable_rank(view) == pytest.approx(8 / 4, rel=1e-13)
    assert covariance_stable_rank(view) == pytest.approx(22 / 16, rel=1e-13)
    assert participation_ratio(view) == pytest.approx(64 / 22, rel=1e-13)
    # Shares 1/2, 1/4, 1/8, 1/8 have 1.75 bits; two eigenvalues of eps add 36 eps each.
    assert entropy_rank(view) == pytest.approx(2**1.75, rel=1e-13)


def test_an_exactly_rank_one_covariance_has_every_rank_one(rng):
    view = view_of(np.outer(rng.standard_normal(20), [1.0, 2, 2]) + 5, np.ones((20, 1)))
    assert [rank(view) for rank in RANKS] == pytest.approx([1] * 4, rel=1e-13)
    assert noise_component(view) <= noise_component_floor(view)
    assert energy_rank(view.covariance_spectrum.values.tolist()) == 1
    assert energy_rank(view.covariance_spectrum.values.tolist(), 1.0) == 1


def test_a_weights_stable_rank():
    Y = np.ones((2, 1))
    assert weight_stable_rank(view_of(np.eye(2), Y, [[2, 0], [0, 1]])) == pytest.approx(5 / 4)
    assert weight_stable_rank(view_of(np.eye(2), Y, [[1e200, 0], [0, 1e200]])) == pytest.approx(2)


@pytest.mark.parametrize("noise", [1e-2, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("mean", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("center", [True, False])
def test_noise_is_within_its_floor_of_the_twins(rng, noise, mean, center):
    """1e-10 relative cannot be had of a noise of 1e-9: eigenvalues are known to eps·λ_1."""
    H = features_with_spectrum(rng, 300, 20, [1, 0.5, *[noise / 18] * 18]) + mean
    view = view_of_moments(accumulated(H, np.ones((300, 1)), sizes=(64,)), k=2, center=center)
    floor = noise_component_floor(view)
    assert floor < 1e-14
    expected = spectrum.noise_component(H, 2, centered=center)
    assert abs(noise_component(view) - expected) <= floor


@pytest.mark.parametrize("width", [140, 200])
@pytest.mark.parametrize("noise", [0.5, 1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_the_floor_is_honest_in_single_precision(rng, width, noise, mean):
    signal = rng.standard_normal((5000, 2)) @ rng.standard_normal((2, width))
    H = signal + np.sqrt(noise) * rng.standard_normal((5000, width)) + mean
    H, Y = H.astype(np.float32), np.ones((5000, 1))
    view = view_of_moments(accumulated(H, Y, dtype=torch.float32), k=2)
    found, expected = noise_component(view), spectrum.noise_component(few_rows(H, Y)[0], 2)
    floor = noise_component_floor(view)
    assert abs(found - expected) <= floor
    assert floor <= 1e-13 + 1e-3 * expected  # and not so large that it says nothing


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("when", [1100, 3000, 4900])
def test_the_floor_is_honest_where_later_rows_are_unlike_the_first(rng, when, k):
    """Rows with signal outside the basis learnt so far are deflated in vain, and rounded."""
    H, Y = shifted(rng, when, noise=1e-6)
    view = view_of_moments(accumulated(H, Y, dtype=torch.float32), k=k)
    expected = spectrum.noise_component(few_rows(H, Y)[0], k)
    assert abs(noise_component(view) - expected) <= noise_component_floor(view)


def test_the_mean_counts_as_signal_when_uncentred(rng):
    H = features_with_spectrum(rng, 50, 4, [1, 0.1], mean=np.array([0, 0, 0, 100]))
    Y = np.ones((50, 1))
    assert noise_component(view_of(H, Y, center=False)) == pytest.approx(
        spectrum.noise_component(H, 1, centered=False), rel=1e-10
    )
    assert noise_component(view_of(H, Y, center=False)) < 2e-4
    assert noise_component(view_of(H, Y, center=False), center=True) == pytest.approx(0.1 / 1.1)


def test_constant_features_are_noise_free_when_uncentred():
    view = view_of(np.full((9, 3), 2.0), np.eye(9)[:, :1], center=False)
    assert noise_component(view) == pytest.approx(0, abs=1e-15)
    assert isinstance(stable_rank(view), Undefined)  # of the covariance all the same


@pytest.mark.parametrize(
    ("H", "reason"),
    [
        (np.zeros((9, 3)), "the layer is dead: its features are 0 for every sample"),
        (np.full((9, 3), 0.1), "the features are the same for every sample"),
        (np.array([[1.0, 2, 3]]), "one sample has no variance"),
        (
            1 + 1e-16 * np.eye(9)[:, :3] + np.finfo(float).eps * np.eye(9)[:, :3],
            "the features are the same for every sample, to the rounding of their dtype",
        ),
    ],
)
def test_without_variance_nothing_is_defined(H, reason):
    view = view_of(H, np.ones((len(H), 1)))
    assert noise_component(view) == Undefined(reason)
    assert [rank(view) for rank in RANKS] == [Undefined(reason)] * 4
    assert math.isfinite(noise_component_floor(view))


@pytest.mark.parametrize("center", [True, False])
def test_one_sample_and_a_dead_layer_stay_undefined_uncentred(center):
    Y = np.ones((1, 1))
    view = view_of(np.ones((1, 3)), Y, center=center)
    assert noise_component(view) == Undefined("one sample has no variance")
    view = view_of(np.zeros((5, 3)), np.ones((5, 1)), center=center)
    reason = "the layer is dead: its features are 0 for every sample"
    assert noise_component(view) == Undefined(reason)


@pytest.mark.parametrize("k", [3, 4])
def test_no_noise_is_left_where_the_signal_fills_the_width(rng, k):
    view = view_of(rng.standard_normal((9, 3)), np.ones((9, 1)), k=k)
    reason = f"the signal rank {k} fills the layer's width 3: no direction is left for noise"
    assert noise_component(view) == Undefined(reason)


def test_a_weight_of_zeros_has_no_rank():
    view = view_of(np.eye(3), np.ones((3, 1)), np.zeros((2, 3)))
    assert weight_stable_rank(view) == Undefined("the weight is 0")
