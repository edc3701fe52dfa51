"""What the first batch does not tell: later ones are looked at too, or the layer is undefined."""

import pytest
import torch
from torch import nn

import deepnrc
from deepnrc.errors import DataError
from helpers import regression_data, seeded


class Turned(nn.Module):
    """Its first layer takes the samples in the order that a function gives."""

    def __init__(self, turn, back):
        super().__init__()
        self.turn, self.back = turn, back
        with seeded():
            self.first, self.head = nn.Linear(8, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = self.back(self.first(self.turn(x)), x)
        return self.head(h if h.ndim == 2 else h.mean(1))


def reversed_samples():
    return Turned(lambda x: x.flip(0), lambda h, x: h.flip(0))


def joined():
    """Rows position by position."""
    return Turned(
        lambda x: x.transpose(0, 1).flatten(0, 1),
        lambda h, x: h.unflatten(0, (x.shape[1], x.shape[0])).transpose(0, 1),
    )


def plain():
    return Turned(lambda x: x, lambda h, x: h)


def batches(*sizes, shape=()):
    x, y = regression_data(sum(sizes), shape=shape)
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def test_one_sample_does_not_tell_the_order_of_several():
    measurement = deepnrc.measure(reversed_samples(), batches(1, 5, 5))
    assert measurement["first"].role == "unpaired"
    reason = "it takes the samples in another order than the batch"
    assert measurement["first"].undefined["noise_component"] == reason
    assert measurement["head"].role == "path"


@pytest.mark.parametrize("swap", [lambda n: torch.arange(n) ^ 1, lambda n: torch.arange(n).roll(2)])
def test_neighbours_that_change_places_are_seen(swap):
    model = Turned(lambda x: x[swap(len(x))], lambda h, x: h[swap(len(x)).argsort()])
    measurement = deepnrc.measure(model, batches(8, 8))
    assert measurement["first"].role == "unpaired"


@pytest.mark.parametrize("still", [1, 2])
def test_rows_that_are_alike_do_not_tell_the_order(still):
    data = batches(4, 4, 4, 4, shape=(3,))
    data = [(x * 0, y) if i < still else (x, y) for i, (x, y) in enumerate(data)]
    found = deepnrc.measure(joined(), data)["first"]
    assert found.values == pytest.approx(deepnrc.measure(plain(), data)["first"].values, rel=1e-9)


def test_an_order_that_is_not_told_in_the_first_batches_is_undefined():
    data = batches(4, 4, 4, 4, shape=(3,))
    data = [(x * 0, y) if i < 3 else (x, y) for i, (x, y) in enumerate(data)]
    with pytest.raises(DataError, match="'first': its rows were all alike in the first batches, "):
        deepnrc.measure(joined(), data)
    still = [(x * 0, y) for x, y in data]
    reason = "the layer is dead: its features are 0 for every sample"
    assert deepnrc.measure(joined(), still)["first"].undefined["noise_component"] == reason


class Routed(nn.Module):
    """Positive samples pass another layer, which the first batch may not reach."""

    def __init__(self):
        super().__init__()
        with seeded():
            self.embed, self.expert, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        h, chosen = x.clone(), x[:, 0] > 0
        if chosen.any():
            h[chosen] = self.expert(self.embed(x[chosen]))
        return self.head(h)


def test_layers_that_later_batches_reach_are_placed():
    x, y = regression_data(60)
    x[:20, 0] = -x[:20, 0].abs()

    def rows(name, activation, batch):
        chosen = (batch[0][:, 0] > 0).nonzero().flatten()
        return activation, torch.arange(len(batch[0])) if name == "head" else chosen

    data = list(zip(x.split(20), y.split(20), strict=True))
    measurement = deepnrc.measure(Routed(), data, reduce=rows)
    assert [(layer.name, layer.depth) for layer in measurement] == [
        ("embed", 0),
        ("expert", 1),
        ("head", 2),
    ]
    assert {layer.role for layer in measurement} == {"path"}


@pytest.mark.parametrize("make", [plain, joined])
def test_a_model_of_a_fixed_batch_size_is_given_the_samples_in_another_order(make):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = make()

        def forward(self, x):
            assert len(x) == 5, "five samples"
            return self.body(x)

    data = batches(5, 5, 5, shape=(5,))
    found, right = deepnrc.measure(Fixed(), data), deepnrc.measure(plain(), data)
    for name in ("first", "head"):
        assert found[f"body.{name}"].values == pytest.approx(
            right[name].values, rel=1e-5
        )  # float32
