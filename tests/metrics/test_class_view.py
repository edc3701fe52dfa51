"""Neural collapse of one layer: known answers, degenerate classes, twins and invariances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepnrc.metrics.catalogue import CLASS_CATALOGUE
from deepnrc.metrics.class_view import ClassView, between_classes
from deepnrc.metrics.proposition import proposition_1
from deepnrc.metrics.spectrum import noise_component
from deepnrc.metrics.view import Undefined
from deepnrc.moments.by_class import ClassMoments, ClassSums
from reference import classification as twin
from reference.generators import orthonormal
from twins import view_of

MEANS = {"class_distance_variance", "within_between_ratio"}
SIMPLEX = {"simplex_distance", "class_norm_variation", "class_angle_deviation"}
WEIGHT = {"class_weight_alignment", "class_weight_cosine"}


def one_hot(labels, C):
    return np.eye(C)[labels]


def class_view(H, labels, C, W=None, *, is_output=True, agreeing=None, **options):
    """A layer of a classifier as the metrics see it; k = C − 1."""
    W = np.eye(C, np.shape(H)[1]) if W is None else W
    layer = view_of(H, one_hot(labels, C), W, C - 1, **options)
    sums = ClassSums(layer.width, C)
    sums.add(torch.as_tensor(H, dtype=torch.float64), torch.as_tensor(labels))
    classes = sums.result()
    rows = torch.as_tensor(H, dtype=torch.float64) - classes.means[torch.as_tensor(labels)]
    return ClassView(
        layer,
        classes,
        (rows @ between_classes(classes)[1]).square().sum(0),
        is_output=is_output,
        agreeing=Undefined("no scores") if agreeing is None else agreeing,
    )


def values(view):
    results = {name: metric.compute(view) for name, metric in CLASS_CATALOGUE.items()}
    return {k: math.nan if isinstance(x, Undefined) else x for k, x in results.items()}


def reasons(view):
    results = {name: metric.compute(view) for name, metric in CLASS_CATALOGUE.items()}
    return {k: x.reason for k, x in results.items() if isinstance(x, Undefined)}


def simplex(rng, C, d):
    """C vectors of length 1 in R^d at equal angles, C × d."""
    centred = np.eye(C) - 1.0 / C
    return centred @ orthonormal(rng, d, C).T * np.sqrt(C / (C - 1))


def noisy(rng, *, N=120, d=9, C=4, noise=0.5):
    labels = np.concatenate([np.arange(C), rng.integers(0, C, N - C)])
    centres = rng.standard_normal((C, d))
    return centres[labels] + noise * rng.standard_normal((N, d)), labels


# Degenerate


def test_a_class_that_is_never_seen(rng):
    H, labels = noisy(rng)
    got = reasons(class_view(H, labels, 5, W=np.eye(5, 9), agreeing=100))
    assert set(got) == MEANS | SIMPLEX | WEIGHT
    assert set(got.values()) == {"class 4 of 5 was never seen"}
    got = reasons(class_view(H, labels + 1, 6, W=np.eye(6, 9), agreeing=100))
    assert set(got.values()) == {"2 of 6 classes were never seen, first 0"}


def test_only_one_class(rng):
    H = rng.standard_normal((10, 5))
    view = class_view(H, np.full(10, 2), 3, agreeing=10)
    got = reasons(view)
    assert set(got.values()) == {"only class 2 was seen"}
    assert set(got) == set(CLASS_CATALOGUE) - {"within_class_share"}
    assert values(view)["within_class_share"] == 1.0  # nothing is between


def test_a_dead_layer():
    got = reasons(class_view(np.zeros((6, 5)), np.arange(6) % 3, 3, agreeing=6))
    assert got == dict.fromkeys(
        CLASS_CATALOGUE, "the layer is dead: its features are 0 for every sample"
    )


def test_one_sample_a_class(rng):
    got = reasons(class_view(rng.standard_normal((4, 6)), np.arange(4), 4, agreeing=4))
    assert got == dict.fromkeys(
        ("within_class_share", "within_between_ratio", "class_distance_variance"),
        "no class has two samples: nothing varies within a class",
    )


def test_equal_class_means(rng):
    H = rng.standard_normal((10, 5))
    view = class_view(np.vstack([H, H, H]), np.repeat([0, 1, 2], 10), 3, agreeing=10)
    got = reasons(view)
    assert set(got.values()) == {"the class means are all equal"}
    assert set(got) == set(CLASS_CATALOGUE) - {"within_class_share"}
    assert values(view)["within_class_share"] == pytest.approx(1.0, rel=1e-14)


def test_two_classes_of_one_mean(rng):
    H = rng.standard_normal((10, 5))
    view = class_view(np.vstack([H, H + 1, H]), np.repeat([0, 1, 2], 10), 3, agreeing=10)
    assert reasons(view) == {"class_distance_variance": "classes 0 and 2 have the same mean"}
    assert values(view)["within_between_ratio"] == pytest.approx(
        twin.scatters(np.vstack([H, H + 1, H]), np.repeat([0, 1, 2], 10), 3)[0].sum()
        / (5 * 5 * 2 / 9)  # Σ_B = 2/9 11ᵀ: Tr(Σ_W Σ_B⁺) = 1ᵀΣ_W1/(5² · 2/9), over C
        / 3,
        rel=1e-10,
    )


def test_two_classes_have_no_simplex_to_miss(rng):
    H, labels = noisy(rng, C=2)
    got = reasons(class_view(H, labels, 2, agreeing=1))
    assert got == dict.fromkeys(
        SIMPLEX, "two centred class means are always opposite: it is 0 for any features"
    )


def test_a_class_in_the_middle_has_no_direction():
    H = np.array([[1.0, 0], [-1, 0], [0, 0]]).repeat(2, 0)
    got = reasons(class_view(H, np.arange(3).repeat(2), 3, W=np.ones((3, 2)), agreeing=6))
    assert (
        got["class_angle_deviation"] == "class 2 has the mean of all classes: it has no direction"
    )
    assert got["class_weight_cosine"] == "class 2 has a mean or a row of W that is 0"


def test_weights_that_say_nothing(rng):
    H, labels = noisy(rng)
    got = reasons(class_view(H, labels, 4, np.zeros((4, 9)), agreeing=1))
    assert got["class_weight_alignment"] == "the weight is 0"
    assert got["class_weight_cosine"] == "class 0 has a mean or a row of W that is 0"
    got = reasons(class_view(H, labels, 4, is_output=False, agreeing=1))
    assert got == {"class_weight_cosine": "only the last layer has a row of W for each class"}
    got = reasons(class_view(H[:, :3], labels, 4, np.ones((4, 3)) + np.eye(4, 3), agreeing=1))
    assert got == {
        "class_weight_alignment": "the class means span the layer's width 3: any weight reads all "
        "of it"
    }


def test_decisions_that_are_not_known(rng):
    H, labels = noisy(rng)
    got = reasons(class_view(H, labels, 4))
    assert got == {"nearest_mean_agreement": "no scores"}


# Known answers


@pytest.mark.parametrize("C", [3, 4, 10])
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_an_exact_simplex_is_collapsed(rng, C, mean):
    M = 2.5 * simplex(rng, C, 16)
    labels = np.arange(60) % C
    H = M[labels] + mean
    view = class_view(H, labels, C, 0.1 * M, agreeing=60)
    got = values(view)
    assert got["within_class_share"] == 0.0
    assert got["class_distance_variance"] == 0.0
    # Differences of float64 sums and directions of them: rounding times the mean.
    slack = 1e-13 * (1 + mean)
    assert got["within_between_ratio"] <= slack
    for name in SIMPLEX:
        assert got[name] <= slack, name
    for name in ("class_weight_cosine", "class_weight_alignment", "nearest_mean_agreement"):
        assert got[name] == pytest.approx(1.0, abs=slack), name


def test_means_far_from_the_origin_keep_their_distances():
    """One-hot rows are a simplex; so far out, a mean of the means is known to 1e-7 only."""
    labels = np.arange(30) % 3
    view = class_view(np.eye(3, 5)[labels] + 2.0**30, labels, 3, np.ones((3, 5)), agreeing=30)
    assert values(view)["simplex_distance"] <= 1e-14
    np.testing.assert_allclose(view.between.numpy(), [1 / 3, 1 / 3], rtol=1e-13)


def test_unequal_counts_do_not_bend_the_simplex(rng):
    M, labels = simplex(rng, 3, 8), np.array([0] * 50 + [1] * 5 + [2] * 2)
    got = values(class_view(M[labels], labels, 3, M, agreeing=57))
    for name in SIMPLEX:
        assert got[name] <= 1e-13, name
    assert got["class_weight_cosine"] == pytest.approx(1.0, abs=1e-13)


def test_numbers_done_by_hand():
    """Classes at 0 and ±1 on a line, each scattered by ±0.1."""
    H = np.array([[-1.1], [-0.9], [-0.1], [0.1], [0.9], [1.1]]) @ np.array([[1.0, 0, 0]])
    labels = np.array([0, 0, 1, 1, 2, 2])
    W = np.array([[-1.0, 1, 0], [1, 0, 0], [2, 0, 0]])
    got = values(class_view(H, labels, 3, W, agreeing=3))
    within, between = 0.01, 2 / 3
    assert got["within_class_share"] == pytest.approx(within / (within + between), rel=1e-12)
    assert got["within_between_ratio"] == pytest.approx(within / between / 3, rel=1e-12)
    assert got["class_distance_variance"] == pytest.approx(0.01 * (1 + 1 + 1 / 4) / 3, rel=1e-12)
    assert got["class_norm_variation"] == pytest.approx(np.std([1, 0, 1]) * 1.5, rel=1e-12)
    gram = np.outer([-1, 0, 1], [-1, 0, 1]) / 2
    expected = np.linalg.norm(gram - (np.eye(3) - 1 / 3) / np.sqrt(2))
    assert got["simplex_distance"] == pytest.approx(expected, rel=1e-12)
    assert got["nearest_mean_agreement"] == 0.5


def test_a_weight_that_points_away(rng):
    M, labels = simplex(rng, 4, 8), np.arange(40) % 4
    got = values(class_view(M[labels], labels, 4, -M, agreeing=0))
    assert got["class_weight_cosine"] == pytest.approx(-1.0, abs=1e-13)
    assert got["class_weight_alignment"] == pytest.approx(1.0, abs=1e-13)  # the same subspace
    assert got["nearest_mean_agreement"] == 0.0


def test_means_span_one_direction_less_than_there_are_classes(rng):
    """However they are rounded: a direction more would be divided by rounding."""
    for _ in range(300):
        means = rng.standard_normal((3, 3)) + rng.choice([0.0, 1.0, 1e3])
        classes = ClassMoments(
            torch.from_numpy(rng.integers(1, 1000, 3)),
            torch.from_numpy(means),
            torch.ones(3).double(),
        )
        assert between_classes(classes)[0].shape == (2,)


# What the two theories share


@given(
    C=st.integers(2, 6),
    seed=st.integers(0, 2**16),
    noise=st.sampled_from([1e-6, 1e-2, 1.0]),
    mean=st.sampled_from([0.0, 10.0]),
)
def test_nc1_is_the_residual_of_proposition_1_for_one_hot_targets(C, seed, noise, mean):
    H, labels = noisy(np.random.default_rng(seed), C=C, noise=noise)
    view = class_view(H + mean, labels, C)
    share, residual = values(view)["within_class_share"], proposition_1(view.layer).residual
    assert residual**2 == pytest.approx(share, rel=1e-9, abs=1e-13)  # 1 − a sum near 1


@given(C=st.integers(2, 6), seed=st.integers(0, 2**16), noise=st.sampled_from([1e-3, 0.3, 3.0]))
def test_nrc1_at_rank_c_minus_1_is_at_most_nc1(C, seed, noise):
    """The best C − 1 directions leave no more outside than those of the class means do."""
    H, labels = noisy(np.random.default_rng(seed), C=C, noise=noise)
    view = class_view(H, labels, C)
    assert noise_component(view.layer) <= values(view)["within_class_share"] * (1 + 1e-12)


# Against the twins, and invariances


@given(
    N=st.integers(12, 60),
    d=st.integers(6, 12),
    C=st.integers(3, 5),
    seed=st.integers(0, 2**16),
    mean=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_values_are_the_twins_and_in_their_range(N, d, C, seed, mean):
    rng = np.random.default_rng(seed)
    H, labels = noisy(rng, N=N, d=d, C=C)
    H, W = H + mean, rng.standard_normal((C, d))
    got = values(class_view(H, labels, C, W, agreeing=N // 2))
    expected = {
        name: getattr(twin, name)(H, labels, C) for name in {"within_class_share"} | MEANS | SIMPLEX
    }
    expected |= {name: getattr(twin, name)(H, labels, C, W) for name in WEIGHT}
    expected["nearest_mean_agreement"] = (N // 2) / N
    assert set(got) == set(expected)
    for name, metric in CLASS_CATALOGUE.items():
        assert got[name] == pytest.approx(expected[name], rel=1e-7, abs=1e-10), name
        assert got[name] >= metric.low - 1e-12
        assert metric.high is None or got[name] <= metric.high + 1e-12


def changes(rng, H, labels, W):
    C, d = W.shape
    Q, order, names = orthonormal(rng, d, d), rng.permutation(len(H)), rng.permutation(C)
    renamed = np.argsort(names)[labels]
    everything = set(CLASS_CATALOGUE) - {"nearest_mean_agreement"}
    stretch = np.linspace(1, 3, d)
    return {
        "features and weight rotated": ((H @ Q, labels, W @ Q), set()),
        "features rotated alone": ((H @ Q, labels, W), WEIGHT),
        "features scaled": ((7.5 * H, labels, W), set()),
        "features shifted": ((H + 10, labels, W), set()),
        "weight scaled": ((H, labels, 0.01 * W), set()),
        "samples permuted": ((H[order], labels[order], W), set()),
        "classes renamed": ((H, renamed, W[names]), set()),
        "classes renamed, not their rows": ((H, renamed, W), {"class_weight_cosine"}),
        "labels shuffled": ((H, labels[order], W), everything),
        "features stretched": ((H * stretch, labels, W), everything),
    }


NAMES = list(changes(np.random.default_rng(0), np.zeros((4, 4)), np.arange(4), np.zeros((4, 4))))


@pytest.mark.parametrize("name", NAMES)
def test_declared_changes_happen_and_no_others(rng, name):
    H, labels = noisy(rng)
    W = rng.standard_normal((4, 9))
    after, changed = changes(rng, H, labels, W)[name]
    before = values(class_view(H, labels, 4, W, agreeing=30))
    got = values(class_view(after[0], after[1], 4, after[2], agreeing=30))
    for metric in CLASS_CATALOGUE:
        close = got[metric] == pytest.approx(before[metric], rel=1e-9)
        assert close == (metric not in changed), (metric, before[metric], got[metric])
