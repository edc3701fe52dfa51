"""Training many models at once from Python: results, errors, and the way in along the epochs."""

import re

import pytest
import torch

import deepnrc
from deepnrc.errors import ArgumentError
from deepnrc.training.ensemble import train_together
from deepnrc.training.epoch.loop import train
from ensembles import D, T, assert_same_weights, config, models, small_rows


@pytest.fixture
def rows():
    return small_rows()


def test_members_are_ordinary_models_at_every_epoch(rows):
    together, measured = models(2, norm="batch"), []

    def on_epoch(epoch, losses):
        measured.append([deepnrc.measure(model, [rows], progress=False) for model in together])
        assert len(losses) == 2

    train_together(together, *rows, [config(epochs=2)] * 2, seeds=[0, 1], on_epoch=on_epoch)
    alone = models(2, norm="batch")[1]
    train(alone, *rows, config(epochs=2), seed=1)
    expected = deepnrc.measure(alone, [rows], progress=False)
    for got, record in zip(measured[1][1], expected, strict=True):
        assert got.values == pytest.approx(record.values, rel=1e-3, nan_ok=True)
    assert measured[0][1] != measured[1][1]


def test_a_member_that_diverges_is_named_and_touches_no_other(rows):
    configs = [config(), config(lr=1e6), config()]
    together, alone = models(), models()
    results = train_together(together, *rows, configs, seeds=[0, 1, 2])
    for number in (0, 2):
        train(alone[number], *rows, configs[number], seed=number)
    assert results[0].error is results[2].error is None
    assert re.search(
        r"after epoch 1: lower the learning rate \(training.lr is 1e\+06\)", str(results[1].error)
    )
    assert_same_weights(together[0], alone[0])
    assert_same_weights(together[2], alone[2])


def test_the_global_generator_is_left_alone(rows):
    before = torch.get_rng_state()
    train_together(models(2), *rows, [config(epochs=1)] * 2, seeds=[0, 1])
    assert torch.equal(torch.get_rng_state(), before)


def test_configurations_that_cannot_go_together_are_named(rows):
    with pytest.raises(
        ArgumentError, match="member 1 has epochs = 9, member 0 has 4: members that"
    ):
        train_together(models(2), *rows, [config(), config(epochs=9)], seeds=[0, 1])
    with pytest.raises(ArgumentError, match=r"set training\.compile = false"):
        train_together(models(1), *rows, [config(compile=True)], seeds=[0])
    with pytest.raises(ArgumentError, match="expected as many of each, got 2, 1 and 2"):
        train_together(models(2), *rows, [config()], seeds=[0, 1])


def test_no_members_are_refused():
    with pytest.raises(ArgumentError, match="configs: expected at least one member, got none"):
        train_together([], torch.zeros(2, D), torch.zeros(2, T), [], seeds=[])
