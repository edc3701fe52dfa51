"""How targets with further axes are read: by what fits, or refused with both readings."""

import numpy as np
import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.errors import ArgumentError, DataError
from deepnrc.passes.reading import Reading, Shown, choose_reading
from helpers import seeded
from reference.network import layer_truth

WHOLE, EACH = Reading(1, False), Reading(None, True)


def chosen(shape, predictions, *, grids, outputs=None, axis=None, labels=False):
    """The reading for part of a batch of 4, where layers have these positions."""
    shown = Shown(
        predictions=predictions,
        samples=4,
        outputs=outputs,
        sizes=frozenset(size for grid in grids for size in grid),
        grids=lambda: {"layer": frozenset(grids)},
    )
    return choose_reading(shape, shown, axis=axis, labels=labels, samples=True)


@pytest.mark.parametrize(
    ("shape", "predictions", "grids", "outputs", "reading"),
    [
        ((8,), (4,), [(7,)], 1, WHOLE),
        ((8, 7), (4, 7), [(7,)], 1, EACH),
        ((8, 7), (4, 7), [(7,)], 7, WHOLE),
        ((8, 7), (4, 7, 1), [(7,)], None, EACH),
        ((8, 7), (4, 1, 7), [(7,)], 1, EACH),
        ((8, 7), (4, 7, 7), [(7,)], 7, WHOLE),
        ((8, 7), (4, 5, 7), [(7,), (5,)], 7, WHOLE),
        ((8, 7), None, [(7,)], 1, EACH),
        ((8, 7), (4, 7), [(6,), ()], None, WHOLE),
        ((8, 1), (4, 1), [(1,)], 1, WHOLE),
        ((8, 1), (4, 1), [(7,)], 1, WHOLE),
        ((8, 7), (4, 7), [(8, 7)], 1, WHOLE),
        ((8, 7, 3), (4, 7, 3), [(7,)], 3, Reading(2, True)),
        ((8, 7, 3), (4, 7, 3), [(5,)], 3, Reading(2, True)),
        ((8, 7, 3), (4, 7, 3), [(7,), (3,)], 3, Reading(2, True)),
        ((8, 6, 5), (4, 6, 5), [(6, 5)], 1, EACH),
        ((8, 6, 5), (4, 1, 6, 5), [(6, 5), (6,)], None, EACH),
    ],
)
def test_what_fits_is_taken(shape, predictions, grids, outputs, reading):
    assert chosen(shape, predictions, grids=grids, outputs=outputs) == reading


TWO = "can be read in more than one way with reduce='samples': "


@pytest.mark.parametrize(
    ("shape", "predictions", "grids", "outputs", "text"),
    [
        (
            (8, 7),
            (4, 7),
            [(7,)],
            3,
            f"targets of shape (8, 7) {TWO}7 targets of each sample (pass target_dim_axis=1); or "
            "one target of each of 7 positions (shape the targets (8, 7, 1))",
        ),
        (
            (8, 7, 7),
            (4, 7, 7),
            [(7,)],
            7,
            f"targets of shape (8, 7, 7) {TWO}7 targets of each of 7 positions (pass "
            "target_dim_axis=2); or 7 targets of each of 7 positions (pass target_dim_axis=1)",
        ),
        (
            (8, 5, 7),
            (4, 5, 7),
            [(7,), (5,)],
            3,
            f"targets of shape (8, 5, 7) {TWO}7 targets of each of 5 positions (pass "
            "target_dim_axis=2); or 5 targets of each of 7 positions (pass target_dim_axis=1)",
        ),
        (
            (8, 3, 7),
            (4, 7, 3),
            [(7,)],
            3,
            "targets of shape (8, 3, 7) do not fit with their last axis as the target dimension "
            "('layer': it has 7 positions, the targets 3): pass target_dim_axis=1 if axis 1 is the "
            "target dimension",
        ),
        (
            (8, 1, 6, 6),
            (4, 1, 6, 6),
            [(6, 6)],
            1,
            "('layer': it has 6 × 6 positions, the targets 1 × 6): pass target_dim_axis=1 if",
        ),
    ],
)
def test_what_fits_in_two_ways_is_refused(shape, predictions, grids, outputs, text):
    with pytest.raises(DataError) as caught:
        chosen(shape, predictions, grids=grids, outputs=outputs)
    assert text in str(caught.value)


def test_the_axis_that_is_asked_for_is_taken():
    assert chosen((8, 7), (4, 7), grids=[(7,)], axis=1) == WHOLE
    assert chosen((8, 7, 7), (4, 7, 7), grids=[(7,)], axis=-1) == Reading(2, True)
    assert chosen((8, 7, 7), (4, 7, 7), grids=[(7,)], axis=1) == Reading(1, True)
    for shape, axis in (((8, 7), 5), ((8, 7, 3), 0), ((8, 7, 3), -3), ((8,), 1)):
        with pytest.raises(ArgumentError) as caught:
            chosen(shape, None, grids=[], axis=axis)
        assert str(caught.value) == (
            "target_dim_axis must be an axis of the targets after that of the samples; got "
            f"{axis} for targets of shape {shape}: pass a number from 1 to "
            f"{max(len(shape) - 1, 1)}, or leave it out"
        )


def test_labels_of_each_position_and_one_hot_rows():
    assert chosen((8, 7), (4, 7, 3), grids=[(7,)], labels=True) == EACH
    assert chosen((8, 7), (4, 7), grids=[(7,)], labels=True) == WHOLE


class Tagger(nn.Module):
    """A prediction for each position; ``shape`` changes its axes."""

    def __init__(self, t, shape=lambda y: y):
        super().__init__()
        with seeded():
            self.token, self.out = nn.Linear(8, 6), nn.Linear(6, t)
        self.shape = shape

    def forward(self, x):
        return self.shape(self.out(self.token(x).tanh()))


def assert_per_position(model, x, y, rows, **options):
    """The measurement is that of a dense twin on every position as a sample."""
    model, x = model.double(), x.double()
    got = deepnrc.measure(
        model, [(x[:5], y[:5]), (x[5:], y[5:])], reduce="samples", progress=False, **options
    )
    h0 = x.detach().numpy().reshape(-1, 8)
    token, out = (
        [p.detach().numpy() for p in (layer.weight, layer.bias)]
        for layer in (model.token, model.out)
    )
    h1 = np.tanh(h0 @ token[0].T + token[1])
    t = rows.shape[1]
    for layer, h, W in zip(got, (h0, h1), (token[0], out[0]), strict=True):
        truth = layer_truth(h, W, rows, t)
        assert layer.rows == len(rows)
        assert layer.noise_component == pytest.approx(truth.nrc1, rel=1e-10, nan_ok=True)
        assert layer.signal_target_cka == pytest.approx(truth.nrc2, rel=1e-10, nan_ok=True)
        assert layer.feature_weight_alignment == pytest.approx(truth.nrc3, rel=1e-10, nan_ok=True)
        assert layer.linear_prediction_mse == pytest.approx(truth.nrc4, rel=1e-10, nan_ok=True)
    error = np.square(h1 @ out[0].T + out[1] - rows).mean()
    assert got.model_mse == pytest.approx(error, rel=1e-10)
    assert got.samples == len(rows)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("n", [12, 7])
@pytest.mark.parametrize(
    "shape", [lambda y: y, lambda y: y.squeeze(-1), lambda y: y[:, None, :, 0]]
)
def test_one_target_a_position(n, shape):
    x, y = random(n, 7, 8), random(n, 7, seed=1)
    rows = y.numpy().reshape(-1, 1)
    assert_per_position(Tagger(1, shape), x, y, rows)
    assert_per_position(Tagger(1, shape), x, y[..., None], rows)
    assert_per_position(Tagger(1, shape), x, y.numpy(), rows)


@pytest.mark.parametrize("n", [12, 7])
@pytest.mark.parametrize("shape", [lambda y: y, lambda y: y.movedim(-1, 1)])
def test_targets_with_channels_first(n, shape):
    x, y = random(n, 7, 8), random(n, 3, 7, seed=1)
    rows = y.movedim(1, -1).numpy().reshape(-1, 3)
    assert_per_position(Tagger(3, shape), x, y, rows, target_dim_axis=1)


def test_as_many_targets_as_positions_with_channels_first():
    """Predictions belong to targets of their own shape entry by entry."""
    x, y = random(12, 7, 8), random(12, 7, 7, seed=1)
    rows = y.movedim(1, -1).numpy().reshape(-1, 7)
    assert_per_position(Tagger(7, lambda y: y.movedim(-1, 1)), x, y, rows, target_dim_axis=1)
    rows = y.numpy().reshape(-1, 7)
    assert_per_position(Tagger(7), x, y, rows, target_dim_axis=2)


def test_positions_in_one_axis_with_the_samples():
    class Flat(Tagger):
        def forward(self, x):
            return super().forward(x.flatten(0, 1)).view(len(x), -1)

    x, y = random(12, 7, 8), random(12, 7, seed=1)
    assert_per_position(Flat(1), x, y, y.numpy().reshape(-1, 1))


def test_predictions_with_the_samples_elsewhere_are_not_compared():
    """With as many steps as samples the shape does not tell; a part of the batch does."""
    x, y = random(7, 7, 8), random(7, 7, 3, seed=1)
    model = Tagger(3, lambda y: y.transpose(0, 1)).double()
    got = deepnrc.measure(model, [(x, y)], reduce="samples", progress=False)
    assert got.undefined["model_mse"] == (
        "the first axis of the model's predictions does not hold the samples: pass forward= that "
        "returns predictions of the targets' shape"
    )
    assert [layer.rows for layer in got] == [49, 49]


def test_one_target_a_pixel():
    x, y = random(6, 3, 5, 4), random(6, 5, 4, seed=1)
    with seeded():
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Tanh(), nn.Conv2d(4, 1, 1)).double()
    got = deepnrc.measure(model, [(x, y)], reduce="samples", progress=False)
    flat = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for i in (0, 2):
            flat[i].weight.copy_(model[i].weight.flatten(1))
            flat[i].bias.copy_(model[i].bias)
    pixels = x.movedim(1, -1).reshape(-1, 3)
    expected = deepnrc.measure(flat, [(pixels, y.reshape(-1, 1))], progress=False)
    assert got.samples == 120
    assert got.model_mse == pytest.approx(expected.model_mse, rel=1e-10)
    for one, other in zip(got, expected, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-8, nan_ok=True)


def test_padded_targets_may_hold_anything():
    x, y = random(12, 7, 8), random(12, 7, 2, seed=1)
    mask = torch.arange(7) < torch.randint(
        2, 8, (12, 1), generator=torch.Generator().manual_seed(2)
    )
    spoiled = torch.where(mask[..., None], y, float("nan"))
    model = Tagger(2).double()
    options = {"reduce": "samples", "mask": lambda batch: mask, "progress": False}
    got = deepnrc.measure(model, [(x, spoiled)], **options)
    assert got.to_dict() == deepnrc.measure(model, [(x, y)], **options).to_dict()
    labels = (y[..., 0] > 0).long()
    options |= {"task": "classification", "classes": 2}
    got = deepnrc.measure(model, [(x, torch.where(mask, labels, -100))], **options)
    assert got.samples == int(mask.sum())
    flat = [(x[mask], labels[mask])]
    expected = deepnrc.measure(model, flat, task="classification", progress=False)
    assert got.class_counts == expected.class_counts
    assert got.accuracy == expected.accuracy
    for one, other in zip(got, expected, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-8, nan_ok=True)
        assert one.collapse.values == pytest.approx(other.collapse.values, rel=1e-8, nan_ok=True)


def test_the_reading_holds_in_every_pass_and_for_batches_of_other_lengths():
    x, y = random(12, 9, 8), random(12, 9, seed=1)
    model = Tagger(1, lambda y: y.squeeze(-1)).double()
    batches = [(x[:6, :7], y[:6, :7]), (x[6:], y[6:])]
    got = deepnrc.measure(model, batches, reduce="samples", last_layer="centred", progress=False)
    assert got.samples == 6 * 7 + 6 * 9
    rows = torch.cat([a.reshape(-1, 8) for a, _ in batches])
    targets = torch.cat([b.reshape(-1) for _, b in batches])
    flat = [(rows, targets)]
    expected = deepnrc.measure(model, flat, last_layer="centred", progress=False)
    assert got.last_layer.feature_pca_residual == pytest.approx(
        expected.last_layer.feature_pca_residual, rel=1e-10
    )


def test_the_plan_reads_them_alike():
    x, y = random(12, 7, 8), random(12, 7, seed=1)
    model = Tagger(1, lambda y: y.squeeze(-1)).double()
    planned = deepnrc.plan(model, (x, y), reduce="samples")
    assert planned.target_dim == 1
    assert planned["token"].rows_per_sample == 7
