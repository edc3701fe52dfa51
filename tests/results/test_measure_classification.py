"""Classifiers: labels in, neural collapse beside Deep NRC out, at every layer."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import deepnrc
from deepnrc.errors import ArgumentError, DataError, LayerError, NonFiniteError
from deepnrc.metrics.catalogue import CLASS_CATALOGUE
from deepnrc.moments import by_class as class_moments
from deepnrc.passes import layer_statistics
from helpers import (
    activations,
    classes_data,
    fingerprint,
    in_batches,
    random_state,
    regression_data,
    seeded,
    small_network,
)
from networks import Simplex
from reference import classification as twin


def measured(model, loader, **options):
    options = {"task": "classification", **options}
    return deepnrc.measure(model, loader, progress=False, **options)


# Values


def test_values_are_the_twins_on_every_layers_own_rows():
    x, labels = classes_data()
    model = small_network(t=4)
    got = measured(model, in_batches(x, labels, size=50))
    numbers, decisions = labels.numpy(), model(x).argmax(1).numpy()
    assert (got.task, got.target_dim, got.signal_rank) == ("classification", 4, 3)
    assert got.class_counts == tuple(np.bincount(numbers))
    assert got.accuracy == pytest.approx((decisions == numbers).mean(), rel=1e-12)
    for name in got.names:
        (features,) = activations(model, name, x)
        H = features.double().numpy()
        W = dict(model.named_modules())[name].weight.detach().double().numpy()
        collapse = got[name].collapse
        for metric in CLASS_CATALOGUE:
            if metric == "nearest_mean_agreement":
                expected = (twin.nearest_mean(H, numbers, 4) == decisions).mean()
            elif metric in ("class_weight_alignment", "class_weight_cosine"):
                expected = getattr(twin, metric)(H, numbers, 4, W) if len(W) == 4 else None
            else:
                expected = getattr(twin, metric)(H, numbers, 4)
            if expected is not None:
                # float32 features; the twins see the very same ones
                assert collapse.values[metric] == pytest.approx(expected, rel=1e-5), metric
    assert got["0"].collapse.undefined == {
        "class_weight_cosine": "only the last layer has a row of W for each class"
    }
    assert got["2"].collapse.undefined == {}


def test_batching_shuffling_and_one_hot_rows_do_not_matter():
    x, labels = classes_data()
    model = small_network(t=4)
    whole = measured(model, [(x, labels)])
    rows = torch.eye(4)[labels]
    shuffled = DataLoader(TensorDataset(x, labels), 7, shuffle=True)
    for loader in (in_batches(x, labels, size=33), in_batches(x, rows), shuffled):
        got = measured(model, loader)
        assert got.accuracy == whole.accuracy
        assert got.class_counts == whole.class_counts
        for one, other in zip(got, whole, strict=True):
            assert one.values == pytest.approx(other.values, rel=1e-5)
            assert one.collapse.values == pytest.approx(
                other.collapse.values, rel=1e-5, nan_ok=True
            )


def test_many_rows_are_taken_in_pieces(monkeypatch):
    x, labels = classes_data()
    whole = measured(small_network(t=4), [(x, labels)])
    for module in (class_moments, layer_statistics):
        monkeypatch.setattr(module, "_ROWS", 7)
    pieces = measured(small_network(t=4), [(x, labels)])
    for one, other in zip(pieces, whole, strict=True):
        assert one.collapse.values == pytest.approx(other.collapse.values, rel=1e-12, nan_ok=True)


def test_names_of_classes_do_not_matter():
    x, labels = classes_data()
    model = small_network(t=4)
    whole = measured(model, [(x, labels)])
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        model[2].weight.copy_(model[2].weight[order].clone())
        model[2].bias.copy_(model[2].bias[order].clone())
    renamed = measured(model, [(x, order.argsort()[labels])])
    assert renamed.accuracy == whole.accuracy
    for one, other in zip(renamed, whole, strict=True):
        assert one.collapse.values == pytest.approx(other.collapse.values, rel=1e-6, nan_ok=True)


def test_it_is_deep_nrc_with_one_hot_targets():
    """The rest of the record is what task="regression" gives on one-hot rows at rank C − 1."""
    x, labels = classes_data()
    model = small_network(t=4)
    got = measured(model, [(x, labels)])
    rows = torch.eye(4)[labels]
    plain = measured(model, [(x, rows)], task="regression", signal_rank=3)
    for one, other in zip(got, plain, strict=True):
        assert one.values == other.values
        # Proposition 1's residual is the root of NC1, exactly.
        assert one.bound_residual**2 == pytest.approx(one.collapse.within_class_share, rel=1e-6)
        assert one.noise_component <= one.collapse.within_class_share
        assert other.collapse is None
    assert plain.accuracy is None


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6])
def test_little_noise_keeps_its_digits_in_wide_single_precision_layers(rng, noise):
    """As differences of moments they would be lost at 1e-9 or so, where classifiers end up."""
    labels = np.concatenate([np.arange(4), rng.integers(0, 4, 1200)])
    H = 3 * rng.standard_normal((4, 256))[labels] + noise * rng.standard_normal((1204, 256))
    H = torch.from_numpy(H.astype(np.float32))
    got = measured(nn.Linear(256, 4), in_batches(H, torch.from_numpy(labels), size=500))
    collapse, rows = got[0].collapse, H.double().numpy()
    means = twin.class_means(rows, labels, 4)
    within = rows - means[labels]
    share = (within**2).sum() / ((rows - rows.mean(0)) ** 2).sum()
    assert collapse.within_class_share == pytest.approx(share, rel=1e-9)
    weighted = np.sqrt(np.bincount(labels) / 1204)[:, None] * (means - rows.mean(0))
    _, values, vectors = np.linalg.svd(weighted, full_matrices=False)
    along = ((within @ vectors[:3].T) ** 2).mean(0) / values[:3] ** 2
    assert collapse.within_between_ratio == pytest.approx(along.sum() / 4, rel=1e-9)
    distance = twin.class_distance_variance(rows, labels, 4)
    assert collapse.class_distance_variance == pytest.approx(distance, rel=1e-9)


def test_an_exact_simplex_network_is_collapsed():
    labels = torch.arange(40) % 4
    got = measured(Simplex(), [(torch.eye(4, dtype=torch.float64)[labels], labels)])
    collapse = got["read"].collapse
    assert collapse.within_class_share == 0.0
    assert collapse.class_distance_variance == 0.0
    assert collapse.simplex_distance <= 1e-13
    assert collapse.class_weight_cosine == pytest.approx(1.0, abs=1e-13)
    assert collapse.class_weight_alignment == pytest.approx(1.0, abs=1e-13)
    assert collapse.nearest_mean_agreement == 1.0
    assert got.accuracy == 1.0
    assert got["read"].noise_component <= 1e-14
    assert got["read"].signal_target_cka == pytest.approx(1.0, abs=1e-12)


def test_agreement_is_with_the_decision_not_the_label():
    labels = torch.arange(40) % 4
    model = Simplex()
    with torch.no_grad():
        model.read.weight.copy_(-model.read.weight)  # decides for anything but the label
    got = measured(model, [(torch.eye(4, dtype=torch.float64)[labels], labels)])
    assert got.accuracy == 0.0
    assert got["read"].collapse.nearest_mean_agreement == 0.0
    assert got["read"].collapse.class_weight_cosine == pytest.approx(-1.0, abs=1e-13)


@pytest.mark.parametrize("reduce", ["mean", "samples"])
def test_tokens(reduce):
    x, labels = classes_data(60, shape=(3,))
    model = small_network(t=4)
    got = measured(
        model, in_batches(x, labels), reduce=reduce, forward=lambda model, x: model(x).mean(1)
    )
    (features,) = activations(model, "0", x)
    H, numbers, times = features.double().numpy().mean(1), labels.numpy(), 1
    if reduce == "samples":
        H, numbers, times = features.double().numpy().reshape(-1, 8), labels.numpy().repeat(3), 3
    decisions = model(x).mean(1).argmax(1).numpy().repeat(times)
    collapse = got["0"].collapse
    assert collapse.within_class_share == pytest.approx(
        twin.within_class_share(H, numbers, 4), rel=1e-5
    )
    agreement = (twin.nearest_mean(H, numbers, 4) == decisions).mean()
    assert collapse.nearest_mean_agreement == pytest.approx(agreement, rel=1e-12)


def test_a_label_a_position():
    x, _ = classes_data(30, shape=(5,))
    labels = torch.randint(4, (30, 5), generator=torch.Generator().manual_seed(1))
    rows = torch.eye(4)[labels]
    model = small_network(t=4)
    got = measured(model, in_batches(x, rows), reduce="samples")
    flat = measured(model, [(x.flatten(0, 1), labels.flatten())])
    assert got.samples == 150
    assert got.accuracy == flat.accuracy
    for one, other in zip(got, flat, strict=True):
        assert one.collapse.values == pytest.approx(other.collapse.values, rel=1e-5, nan_ok=True)


def test_images():
    x, labels = torch.randn(40, 3, 6, 6, generator=torch.Generator().manual_seed(0)), None
    labels = torch.arange(40) % 4
    with seeded():
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
        )
    got = measured(model, in_batches(x, labels))
    assert got.names == ("0", "4")
    share = twin.within_class_share(x.double().mean((2, 3)).numpy(), labels.numpy(), 4)
    assert got["0"].collapse.within_class_share == pytest.approx(share, rel=1e-5)


# How many classes


def test_classes_are_those_the_network_scores_whatever_the_first_batch_holds():
    x, labels = classes_data()
    order = labels.argsort()
    got = measured(small_network(t=4), in_batches(x[order], labels[order], size=10))
    assert got.target_dim == 4
    assert sum(got.class_counts) == 120


def test_looking_for_the_classes_counts_no_row_twice():
    x, labels = classes_data()
    calls = []

    def forward(model, x):
        calls.append(len(x))
        return model(x)

    got = measured(small_network(t=4), in_batches(x, labels, size=60), forward=forward)
    assert calls == [35, 60, 60, 60, 60]  # a look at a part of the first batch
    assert got["0"].rows == 120
    assert got["0"].calls == 2
    calls.clear()
    measured(small_network(t=4), in_batches(x, labels, size=60), forward=forward, classes=4)
    assert calls == [35, 60, 60, 60, 60]


def test_a_class_that_is_never_seen():
    x, labels = classes_data()
    got = measured(small_network(t=5), [(x, labels)])
    assert got.class_counts[4] == 0
    collapse = got["2"].collapse
    assert collapse.undefined["simplex_distance"] == "class 4 of 5 was never seen"
    assert not math.isnan(collapse.within_class_share)
    assert not math.isnan(collapse.nearest_mean_agreement)


def test_labels_beyond_the_scores():
    x, labels = classes_data()
    message = "labels of batch 0 must be from 0 to 2; got 3 in its sample 3: drop ignored"
    with pytest.raises(DataError, match=message):
        measured(small_network(t=3), [(x, labels)])


# Passes and arguments


def test_a_loader_that_can_be_read_once_is_refused_before_anything_runs():
    calls = []
    message = "task='classification' takes two passes over the loader, but a generator can be read"
    with pytest.raises(ArgumentError, match=message):
        measured(
            small_network(t=4),
            (x for x in [classes_data()]),
            forward=lambda *given: calls.append(given),
        )
    assert calls == []


class Shrinking(list):
    def __iter__(self):
        batches = list(super().__iter__())
        self.pop()
        return iter(batches)


def test_a_loader_that_gives_other_rows_the_second_time():
    loader = Shrinking(in_batches(*classes_data()))
    with pytest.raises(DataError, match="layer '0' 120 rows in the first pass and 112 in the"):
        measured(small_network(t=4), loader)


@pytest.mark.parametrize("fails", [False, True])
def test_both_passes_leave_model_and_random_state_as_they_were(fails):
    with seeded():
        model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    model.train()
    loader = DataLoader(TensorDataset(*classes_data(48)), 16, shuffle=True)
    calls = []

    def forward(model, x):
        calls.append(len(x))
        if fails and len(calls) == 6:
            raise RuntimeError("in the second pass")
        return model(x)

    before, state = fingerprint(model), random_state()
    if fails:
        with pytest.raises(RuntimeError, match="in the second pass"):
            measured(model, loader, forward=forward)
    else:
        measured(model, loader, forward=forward)
    assert repr(fingerprint(model)) == repr(before)
    assert repr(random_state()) == repr(state)


def test_it_goes_with_no_last_layer_of_2024():
    message = "last_layer='centred' measures regression; with task='classification' leave it out"
    with pytest.raises(ArgumentError, match=re.escape(message)):
        measured(small_network(t=4), [classes_data()], last_layer="centred")


def test_arguments_are_checked():
    with pytest.raises(ArgumentError, match="task must be 'regression' or 'classification'; got"):
        measured(small_network(t=4), [classes_data()], task="classify")
    with pytest.raises(ArgumentError, match="classes must be left out when"):
        measured(small_network(t=4), [classes_data()], task="regression", classes=4)


def test_scores_that_are_not_finite():
    x, labels = classes_data()
    with pytest.raises(NonFiniteError, match="the model's predictions for batch 0 hold NaN"):
        measured(
            small_network(t=4), [(x, labels)], forward=lambda model, x: model(x) * float("nan")
        )


def test_features_that_are_not_finite_name_the_layer():
    x, labels = classes_data()
    x[3] = float("nan")
    with pytest.raises(NonFiniteError, match="features of layer '0' hold NaN or infinity in batch"):
        measured(small_network(t=4), [(x, labels)])


def test_an_empty_loader_and_a_model_that_calls_no_layer():
    with pytest.raises(DataError, match="the loader gave no samples"):
        measured(small_network(t=4), [])
    with pytest.raises(LayerError, match="no layer of Sequential was called"):
        measured(
            small_network(t=4), [classes_data()], forward=lambda model, x: torch.zeros(len(x), 4)
        )


# Settings, tables and files


def test_a_signal_rank_may_be_asked_for():
    x, labels = classes_data()
    assert measured(small_network(t=4), [(x, labels)], signal_rank=2).signal_rank == 2
    assert measured(small_network(t=4), [(x, labels)], signal_rank="targets").signal_rank == 3
    text = str(measured(small_network(t=4), [(x, labels)]))
    assert "120 samples in 1 batch, 4 classes, signal rank 3 (classes − 1)" in text
    assert "(classes − 1)" not in str(measured(small_network(t=4), [(x, labels)], signal_rank=2))


def test_frame_and_file(tmp_path):
    got = measured(small_network(t=4), [classes_data()])
    frame = got.to_frame()
    assert set(CLASS_CATALOGUE) <= set(frame.columns)
    assert frame.loc["2", "simplex_distance"] == got["2"].collapse.simplex_distance
    assert math.isnan(frame.loc["0", "class_weight_cosine"])
    got.save(tmp_path / "m.json")
    loaded = deepnrc.load(tmp_path / "m.json")
    assert repr(loaded) == repr(got)
    assert isinstance(loaded["2"].collapse, deepnrc.ClassCollapse)
    assert str(loaded) == str(got)
    plain = deepnrc.measure(small_network(), [regression_data(40)]).to_frame()
    assert not {*CLASS_CATALOGUE, "collapse"} & set(plain.columns)


def test_memory_is_said():
    x, labels = classes_data()
    rows = torch.eye(4)[labels]
    plain = measured(small_network(t=4), [(x, rows)], task="regression").state_bytes
    got = measured(small_network(t=4), [(x, labels)]).state_bytes
    assert got == plain + 8 * 4 * (2 * 8 + 2) + 8 * 4 * (2 * 16 + 2)
