"""The conditions of 2024 at the last layer of whole networks: which layer, passes, saving."""

import json
import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import deepnrc
from deepnrc.errors import ArgumentError, DataError
from deepnrc.passes import layer_statistics
from helpers import (
    activations,
    fingerprint,
    in_batches,
    random_state,
    regression_data,
    seeded,
    small_network,
)
from reference import last_layer as twin
from reference.generators import features_with_spectrum, orthonormal


class Counted(list):
    """A list of batches that counts how often it is gone through."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


def measured(model, loader, **options):
    return deepnrc.measure(model, loader, progress=False, **options)


# Values


@pytest.mark.parametrize(("variant", "passes"), [("paper2024", 1), ("centred", 2), (None, 1)])
def test_values_are_the_twins_on_the_last_layers_own_rows(variant, passes):
    x, y = regression_data(200, d=12, t=3)
    model = small_network(d=12, width=20, t=3)
    loader = Counted(in_batches(x, y, size=64))
    last = measured(model, loader, last_layer=variant).last_layer
    assert loader.passes == passes
    assert (last.layer, last.variant, last.width) == ("2", variant, 20)
    (features,) = activations(model, "2", x)
    H, W = features.double().numpy(), model[2].weight.detach().double().numpy()
    predictions, Y = model(x).detach().double().numpy(), y.double().numpy()
    if variant is not None:
        centred = variant == "centred"
        assert last.feature_pca_residual == pytest.approx(
            twin.feature_pca_residual(H, 3, centered=centred), rel=1e-6
        )
        assert last.feature_weight_residual == pytest.approx(
            twin.feature_weight_residual(H, W, centered=centred), rel=1e-6
        )
    covariance = np.cov(Y.T, bias=True)
    assert last.gamma == pytest.approx(twin.best_gamma(W, covariance, points=101), abs=1e-6)
    assert last.gram_residual == pytest.approx(
        twin.gram_residual(W, covariance, last.gamma), rel=1e-6
    )
    assert last.r2 == pytest.approx(twin.pooled_r2(Y, predictions), rel=1e-6)
    np.testing.assert_allclose(last.target_r2, twin.r2_by_target(Y, predictions), rtol=1e-6)
    assert last.explained_variance_ratios[0] == pytest.approx(
        twin.explained_variance_ratio(H, 1), rel=1e-5
    )


def test_other_values_do_not_depend_on_it():
    x, y = regression_data(60)
    plain = measured(small_network(), [(x, y)])
    for variant in ("paper2024", "centred"):
        got = measured(small_network(), [(x, y)], last_layer=variant)
        assert repr(got.layers) == repr(plain.layers)
        assert got.model_mse == plain.model_mse
        assert got.last_layer.gram_residual == plain.last_layer.gram_residual


@pytest.mark.parametrize("variant", ["paper2024", "centred"])
def test_batching_and_shuffling_do_not_matter(variant):
    x, y = regression_data(100)
    model = small_network()
    whole = measured(model, [(x, y)], last_layer=variant).last_layer
    shuffled = DataLoader(TensorDataset(x, y), 7, shuffle=True)
    for loader in (in_batches(x, y, size=33), shuffled):
        got = measured(model, loader, last_layer=variant).last_layer
        assert got.feature_pca_residual == pytest.approx(whole.feature_pca_residual, rel=1e-6)
        assert got.feature_weight_residual == pytest.approx(whole.feature_weight_residual, rel=1e-6)


def test_dead_rows_are_counted():
    x, y = regression_data(60)
    model = small_network()
    with torch.no_grad():
        model[0].bias.fill_(-1.0)
    model[0].weight.requires_grad_(False)
    model[0].weight[1:].zero_()  # one unit is left, and it is off for many samples
    (features,) = activations(model, "2", x)
    dead = int((features == 0).all(1).sum())
    assert 0 < dead < 60
    assert measured(model, [(x, y)], last_layer="paper2024").last_layer.zero_rows == dead


def test_tokens_as_samples():
    x, y = regression_data(30, shape=(4,))
    model = small_network()
    last = measured(
        model,
        in_batches(x, y),
        reduce="samples",
        last_layer="centred",
        forward=lambda model, x: model(x)[:, 0],
    ).last_layer
    (features,) = activations(model, "2", x)
    H = features.flatten(0, 1).double().numpy()
    assert last.feature_pca_residual == pytest.approx(
        twin.feature_pca_residual(H, 2, centered=True), rel=1e-6
    )


@pytest.mark.parametrize("variant", ["paper2024", "centred"])
def test_an_exact_minimiser_of_the_feature_model_is_collapsed_with_gamma_c(rng, variant):
    """The unconstrained feature model with λ_H = 0.2, λ_W = 0.5, its features as inputs."""
    c, covariance, mean = 0.1, np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([4.0, -3.0])
    Y = features_with_spectrum(rng, 300, 2, [1.0, 1.0]) @ np.linalg.cholesky(covariance).T
    values, U = np.linalg.eigh(covariance)
    kept = np.sqrt(np.sqrt(0.2 / 0.5) * (np.sqrt(values) - math.sqrt(c)))
    W = U @ np.diag(kept) @ U.T @ orthonormal(rng, 7, 2).T
    H = np.sqrt(0.5 / 0.2) * Y @ U @ np.diag(values**-0.5) @ U.T @ W
    head = nn.Linear(7, 2, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(W))
        head.bias.copy_(torch.from_numpy(mean))
    loader = in_batches(torch.from_numpy(H), torch.from_numpy(Y + mean), size=64)
    last = measured(head, loader, last_layer=variant).last_layer
    assert max(last.feature_pca_residual, last.feature_weight_residual) <= 1e-12
    assert last.gram_residual <= 1e-12
    assert last.gamma == pytest.approx(c, rel=1e-9)
    assert last.r2 == pytest.approx(1 - 2 * c / 3, rel=1e-9)  # the training error is c a target


# Which layer


class Branches(nn.Module):
    """A hidden layer of t units, the output, and an auxiliary head of another width after it."""

    def __init__(self, t=2):
        super().__init__()
        self.auxiliary = nn.Linear(8, 5)
        self.output = nn.Linear(t, t)
        self.hidden = nn.Linear(8, t)
        self.unused = nn.Linear(8, t)

    def forward(self, x):
        y = self.output(torch.tanh(self.hidden(x)))
        self.auxiliary(x)
        return y


@pytest.mark.parametrize("variant", [None, "paper2024", "centred"])
def test_it_is_the_layer_whose_output_is_the_prediction(variant):
    with seeded():
        model = Branches()
    got = measured(model, [regression_data(40)], last_layer=variant)
    assert got.last_layer.layer == "output"
    hidden = measured(model, [regression_data(40)], last_layer=variant, layers="hidden")
    assert hidden.last_layer is None  # a row a target, but its output is not the prediction
    assert hidden.undefined["last_layer"].startswith("no layer that was measured gives the predict")


@pytest.mark.parametrize("variant", [None, "paper2024", "centred"])
def test_no_layer_with_a_row_a_target(variant):
    got = measured(small_network(), [regression_data(40)], layers="0", last_layer=variant)
    assert got.last_layer is None
    assert got.undefined == {
        "last_layer": "no layer that was measured has a weight of 2 rows, one for each target"
    }
    assert "conditions of 2024" not in str(got)
    one = measured(small_network(t=1), [regression_data(40, t=1)], layers="0")
    assert one.undefined["last_layer"].startswith("no layer that was measured has a weight of one")


# Cost


def test_nothing_is_summed_that_was_not_asked_for(monkeypatch):
    monkeypatch.setattr(layer_statistics, "UnitRowSums", None)
    monkeypatch.setattr(layer_statistics, "ClassSums", None)
    got = measured(small_network(), [regression_data(40)])
    assert got.last_layer.variant is None
    with pytest.raises(TypeError):
        measured(small_network(), [regression_data(40)], last_layer="paper2024")


def test_only_layers_that_may_be_the_last_are_summed():
    collected = deepnrc.collect(
        small_network(), [regression_data(40)], last_layer="paper2024", progress=False
    )
    assert [layer.unit_rows is None for layer in collected.layers] == [True, False]


def test_its_memory_is_said():
    x, y = regression_data(40)
    without = measured(small_network(), [(x, y)]).state_bytes
    got = measured(small_network(), [(x, y)], last_layer="paper2024").state_bytes
    assert got == without + 8 * (8**2 + 16**2)  # any of the layers may prove to be the last


# Passes


def test_a_loader_that_can_be_read_once_is_refused_before_anything_runs():
    x, y = regression_data(40)
    calls = []
    loader = iter(in_batches(x, y))
    message = (
        "last_layer='centred' takes two passes over the loader, but a list_iterator can be read "
        "only once: pass a DataLoader or a list of batches"
    )
    with pytest.raises(ArgumentError, match=message):
        measured(
            small_network(),
            loader,
            last_layer="centred",
            forward=lambda *given: calls.append(given),
        )
    assert calls == []
    assert len(list(loader)) == 3
    once = measured(small_network(), iter(in_batches(x, y)), last_layer="paper2024")
    assert once.samples == 40


class Shrinking(list):
    def __iter__(self):
        batches = list(super().__iter__())
        self.pop()
        return iter(batches)


def test_a_loader_that_gives_other_rows_the_second_time():
    loader = Shrinking(in_batches(*regression_data(40)))
    message = (
        "the loader gave layer '2' 40 rows in the first pass and 32 in the second: it must yield "
        "the same samples each time it is read"
    )
    with pytest.raises(DataError, match=message):
        measured(small_network(), loader, last_layer="centred")


class Noisy(nn.Module):
    """Draws in its forward pass, as Monte Carlo dropout does."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 2)
        self.see = lambda h: None

    def forward(self, x):
        h = torch.relu(self.fc1(x))
        h = h + torch.rand(h.shape)
        self.see(h.clone())
        return self.fc2(h)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_second_pass_draws_what_the_first_drew(shuffle):
    with seeded():
        model = Noisy()
    seen = []  # not the model's own, which is put back
    model.see = seen.append
    loader = DataLoader(TensorDataset(*regression_data(40)), 16, shuffle=shuffle)
    measured(model, loader, last_layer="centred")
    first, second = torch.cat(seen[1:4]), torch.cat(seen[4:])
    assert torch.equal(first, second)


@pytest.mark.parametrize("fails", [False, True])
def test_both_passes_leave_model_and_random_state_as_they_were(fails):
    with seeded():
        model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    model.train()
    loader = DataLoader(TensorDataset(*regression_data(40)), 16, shuffle=True)
    calls = []

    def forward(model, x):
        calls.append(len(x))
        if fails and len(calls) == 5:
            raise RuntimeError("in the second pass")
        return model(x)

    before, state = fingerprint(model), random_state()
    if fails:
        with pytest.raises(RuntimeError, match="in the second pass"):
            measured(model, loader, last_layer="centred", forward=forward)
    else:
        measured(model, loader, last_layer="centred", forward=forward)
    assert len(calls) == 5 if fails else 6
    assert repr(fingerprint(model)) == repr(before)
    assert repr(random_state()) == repr(state)


# Arguments


def test_unknown_variants():
    message = "last_layer must be 'paper2024', 'centred' or None; got 'centered'"
    with pytest.raises(ArgumentError, match=re.escape(message)):
        measured(small_network(), [regression_data(40)], last_layer="centered")


# Files


@pytest.mark.parametrize("t", [1, 2])
@pytest.mark.parametrize("variant", [None, "paper2024"])
def test_saving_and_loading_keep_every_field(tmp_path, t, variant):
    got = measured(small_network(t=t), [regression_data(40, t=t)], last_layer=variant)
    got.save(tmp_path / "m.json")
    loaded = deepnrc.load(tmp_path / "m.json")
    assert repr(loaded) == repr(got)
    assert isinstance(loaded.last_layer, deepnrc.LastLayer)
    if t > 1:
        assert loaded.last_layer.gram_curve(3) == got.last_layer.gram_curve(3)


def test_files_of_the_first_version_still_load(tmp_path):
    got = measured(small_network(), [regression_data(40)])
    got.save(tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    document["version"] = 1
    del document["sha256"]  # of later files
    for name in ("task", "last_layer", "class_counts", "accuracy"):
        del document["record"][name]
    for layer in document["record"]["layers"]:
        del layer["collapse"]
    (tmp_path / "m.json").write_text(json.dumps(document), encoding="utf-8")
    loaded = deepnrc.load(tmp_path / "m.json")
    assert loaded.last_layer is None
    assert repr(loaded.layers) == repr(got.layers)
    assert (loaded.task, loaded.accuracy) == ("regression", None)


def test_collect_then_evaluate_is_measure():
    model, loader = small_network(), [regression_data(40)]
    collected = deepnrc.collect(model, loader, last_layer="centred", progress=False)
    whole = measured(model, loader, last_layer="centred")
    assert repr(deepnrc.evaluate(collected)) == repr(whole)
