"""The contract every metric keeps: names, ranges, and what changes its value and what does not."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE
from deepnrc.results.layer_measurement import ClassCollapse, LayerMeasurement
from reference.generators import orthonormal
from twins import package_values, twin_values, view_of

SPECTRAL = {"stable_rank", "covariance_stable_rank", "entropy_rank", "participation_ratio"}
SPECTRAL |= {"noise_component"}
SIMILARITY = {"linear_cka", "signal_target_cka"}
ALIGNMENT = {"feature_weight_alignment", "noise_weight_alignment"}
PREDICTION = {"linear_prediction_mse", "linear_r2"}


def transformations(rng, H, Y, W):
    """What is done to features, targets and weight; and the metrics that it changes."""
    (N, d), t = H.shape, Y.shape[1]
    Q, R = orthonormal(rng, d, d), orthonormal(rng, t, t)
    order = rng.permutation(N)
    stretch = np.linspace(1, 3, d)
    return {
        "features and weight rotated": ((H @ Q, Y, W @ Q), set()),
        "features rotated alone": ((H @ Q, Y, W), ALIGNMENT),
        "weight rotated on its output side": ((H, Y, orthonormal(rng, len(W), len(W)) @ W), set()),
        "weight changed": ((H, Y, W * stretch), ALIGNMENT | {"weight_stable_rank"}),
        "features scaled": ((-7.5 * H, Y, W), set()),
        "weight scaled": ((H, Y, 0.01 * W), set()),
        "features shifted": ((H + 100 * rng.standard_normal(d), Y, W), set()),
        "columns of the features stretched": (
            (H * stretch, Y, W),
            SPECTRAL | SIMILARITY | ALIGNMENT,  # a linear prediction takes the stretch back
        ),
        "samples permuted": ((H[order], Y[order], W), set()),
        "features permuted against the targets": ((H[order], Y, W), SIMILARITY | PREDICTION),
        "targets shifted": ((H, Y + 100 * rng.standard_normal(t), W), set()),
        "targets rotated": ((H, Y @ R, W), set()),
        "targets scaled": ((H, -3 * Y, W), {"linear_prediction_mse"}),
        "targets mapped": ((H, Y @ np.triu(np.ones((t, t))) + 1, W), SIMILARITY | PREDICTION),
    }


def problem(rng):
    N, d, t = 60, 9, 3
    H = rng.standard_normal((N, d)) * np.geomspace(3, 0.3, d)
    Y = H[:, :t] @ rng.standard_normal((t, t)) + rng.standard_normal((N, t))
    return H, Y, rng.standard_normal((5, d))


NAMES = list(transformations(np.random.default_rng(0), *problem(np.random.default_rng(0))))


@pytest.mark.parametrize("name", NAMES)
def test_declared_changes_happen_and_no_others(rng, name):
    H, Y, W = problem(rng)
    (H2, Y2, W2), changed = transformations(rng, H, Y, W)[name]
    before, after = package_values(view_of(H, Y, W)), package_values(view_of(H2, Y2, W2))
    for metric in CATALOGUE:
        close = after[metric] == pytest.approx(before[metric], rel=1e-10)
        assert close == (metric not in changed), (metric, before[metric], after[metric])


def test_scaling_the_targets_scales_the_error_by_the_square(rng):
    H, Y, W = problem(rng)
    before, after = package_values(view_of(H, Y, W)), package_values(view_of(H, -3 * Y, W))
    name = "linear_prediction_mse"
    assert after[name] == pytest.approx(9 * before[name], rel=1e-12)


def test_names_are_fields_of_a_layers_record():
    fields = [field.name for field in dataclasses.fields(LayerMeasurement)]
    assert list(CATALOGUE) == [name for name in fields if name in CATALOGUE]  # in the same order
    assert all(metric.name == name for name, metric in CATALOGUE.items())
    assert set(CATALOGUE) == set(twin_values(*problem(np.random.default_rng(0)), 3))
    fields = [field.name for field in dataclasses.fields(ClassCollapse)]
    assert fields == [*CLASS_CATALOGUE, "undefined"]
    assert all(metric.name == name for name, metric in CLASS_CATALOGUE.items())
    assert not set(CATALOGUE) & set(CLASS_CATALOGUE)


def test_every_entry_says_how_to_read_it():
    metrics = [*CATALOGUE.values(), *CLASS_CATALOGUE.values()]
    for metric in metrics:
        assert metric.label
        assert metric.reading.endswith(".")
        assert metric.collapsed
        assert metric.source
        assert metric.high is None or metric.low < metric.high
    assert len({metric.label for metric in metrics}) == len(metrics)


@given(
    N=st.integers(2, 30),
    d=st.integers(1, 12),
    t=st.integers(1, 5),
    seed=st.integers(0, 2**16),
    rank=st.integers(1, 12),
    center=st.booleans(),
    intercept=st.booleans(),
    mean=st.sampled_from([0.0, 1.0, 1e6]),
)
def test_values_stay_in_their_range(N, d, t, seed, rank, center, intercept, mean):
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((N, min(rank, d))) @ rng.standard_normal((min(rank, d), d)) + mean
    Y, W = rng.standard_normal((N, t)), rng.standard_normal((4, d))
    values = package_values(view_of(H, Y, W, center=center, intercept=intercept))
    for name, metric in CATALOGUE.items():
        value = values[name]
        if math.isnan(value):
            continue
        slack = 1e-12  # a rank of 1 is a ratio of equal sums
        assert value >= metric.low - slack, name
        assert metric.high is None or value <= metric.high + slack, name
        if name in SPECTRAL - {"noise_component"}:
            assert value <= min(N, d) * (1 + 1e-9), name
    assert values["weight_stable_rank"] <= min(4, d) * (1 + 1e-12)
