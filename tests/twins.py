"""A layer's metrics computed by the package and by the slow NumPy twins, for comparison."""

import math

import numpy as np
import torch

from deepnrc.metrics.catalogue import CATALOGUE
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.accumulator import MomentAccumulator
from deepnrc.moments.record import Moments
from reference import alignment, features, prediction, spectrum, subspace


def cut(count, sizes):
    """Slices of `count` rows in batches of these sizes, repeated; the last may be shorter."""
    start, i = 0, 0
    while start < count:
        yield slice(start, start + sizes[i % len(sizes)])
        start, i = start + sizes[i % len(sizes)], i + 1


def accumulated(H, Y, *, sizes=(500,), dtype=torch.float64, precision="mixed"):
    """Moments of H and Y from the streaming accumulator."""
    H, Y = torch.as_tensor(H, dtype=dtype), torch.as_tensor(Y, dtype=torch.float64)
    accumulator = MomentAccumulator(H.shape[1], Y.shape[1], dtype=dtype, precision=precision)
    for rows in cut(len(H), sizes):
        accumulator.add(H[rows], Y[rows])
    return accumulator.result()


def view_of(H, Y, W=None, k=None, **options):
    """The layer that metrics are given, from one float64 batch; W is the identity by default."""
    H, Y = torch.as_tensor(H, dtype=torch.float64), torch.as_tensor(Y, dtype=torch.float64)
    return view_of_moments(Moments.from_batch(H, Y), W, k, **options)


def view_of_moments(moments, W=None, k=None, **options):
    W = np.eye(moments.feature_dim) if W is None else W
    W = torch.as_tensor(W, dtype=torch.float64)
    return LayerView(moments, W, k or moments.target_dim, **options)


def package_values(view):
    """Every metric of the catalogue; NaN where undefined."""
    results = {name: metric.compute(view) for name, metric in CATALOGUE.items()}
    return {name: math.nan if isinstance(x, Undefined) else x for name, x in results.items()}


def reasons(view):
    """Reason of each undefined metric, by name."""
    results = {name: metric.compute(view) for name, metric in CATALOGUE.items()}
    return {name: x.reason for name, x in results.items() if isinstance(x, Undefined)}


def twin_values(H, Y, W, k, *, intercept=True, rcond=None, alignment_rank=None):
    """The same metrics from the twins.

    `alignment_rank` is for features of a rank below k: the package compares only that many
    directions, because the remaining ones of the twins are arbitrary.
    """
    aligned, width = k if alignment_rank is None else alignment_rank, np.shape(H)[1]
    fit = {"intercept": intercept, "rcond": rcond}
    return {
        "noise_component": spectrum.noise_component(H, k) if k < width else math.nan,
        "signal_target_cka": alignment.signal_target_cka(H, Y, min(k, width)),
        "linear_cka": alignment.linear_cka(H, Y),
        "feature_weight_alignment": subspace.feature_weight_alignment(H, W, aligned)
        if aligned < width
        else math.nan,
        "noise_weight_alignment": subspace.noise_weight_alignment(H, W, aligned),
        "linear_prediction_mse": prediction.linear_prediction_mse(H, Y, **fit),
        "linear_r2": prediction.linear_r2(H, Y, **fit),
        "stable_rank": spectrum.stable_rank(H),
        "covariance_stable_rank": spectrum.covariance_stable_rank(H),
        "entropy_rank": spectrum.entropy_rank(H),
        "participation_ratio": spectrum.participation_ratio(H),
        "weight_stable_rank": spectrum.weight_stable_rank(W),
    }


def few_rows(H, Y, *, centered=True):
    """2(d + t) rows with the second moments of all N, for the twins where N is large.

    A rotation of the samples changes no second moment, so the triangle of a QR decomposition has
    the same ones; with its negative appended it also has mean 0.
    """
    if centered:
        H, Y = features.center(H), features.center(Y)
    both = np.hstack([H, Y])
    triangle = np.linalg.qr(both, mode="r")
    rows = np.vstack([triangle, -triangle]) * np.sqrt(len(triangle) / len(both))
    return rows[:, : H.shape[1]], rows[:, H.shape[1] :]


def shifted(rng, when, *, noise, N=5000, d=200, t=2):
    """Float32 features of the targets; from row `when` on, 20 times larger in other directions."""
    Y = rng.standard_normal((N, t))
    early, late = Y @ rng.standard_normal((t, d)), Y @ (20 * rng.standard_normal((t, d)))
    H = np.where((np.arange(N) < when)[:, None], early, late)
    return (H + np.sqrt(noise) * rng.standard_normal((N, d))).astype(np.float32), Y


def relative_errors(found, expected):
    """|found − expected|/|expected| by name; 0 where both are NaN."""
    return {
        name: 0.0
        if math.isnan(found[name]) and math.isnan(expected[name])
        else abs(found[name] - expected[name]) / abs(expected[name])
        for name in expected
    }


def assert_agree(found, expected, *, rtol):
    """Check that every metric is within relative rtol of its twin, or undefined where it is."""
    errors = relative_errors(found, expected)
    wrong = {n: (found[n], expected[n], e) for n, e in errors.items() if not e <= rtol}
    assert not wrong, f"beyond {rtol:g} (found, twin, relative error): {wrong}"


def collapsed(rng, N, d, noise, *, mean=0.0, t=3, relu=False):
    """Float32 features whose NRC1 is about `noise`, and targets that lie in their signal."""
    signal = rng.standard_normal((N, t)) * [2, 1, 0.5][:t]
    H = signal @ np.linalg.qr(rng.standard_normal((d, t)))[0].T
    H = H + np.sqrt(noise * 5.25 / d) * rng.standard_normal((N, d)) + mean
    H = np.maximum(H, 0) if relu else H
    return H.astype(np.float32), signal + 0.1 * rng.standard_normal((N, t))


def assert_same_moments(found, expected, *, rtol):
    """Moments agree; off-diagonals relative to the two spreads."""
    assert found.count == expected.count
    s = torch.cat([m.diagonal() for m in (expected.feature_covariance, expected.target_covariance)])
    s = s.sqrt()
    both = [
        torch.cat(
            [
                torch.cat([m.feature_covariance, m.cross_covariance], 1),
                torch.cat([m.cross_covariance.T, m.target_covariance], 1),
            ]
        )
        for m in (found, expected)
    ]
    scale = torch.outer(s, s)
    assert bool(((both[0] - both[1]).abs() <= rtol * scale).all())
    shift = (found.feature_mean - expected.feature_mean).abs()
    size = expected.feature_mean.abs() + s[: len(shift)]
    assert bool((shift <= rtol * size).all())
