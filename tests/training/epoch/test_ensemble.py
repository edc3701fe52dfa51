"""Members trained at once are what they are one by one, and stay ordinary models."""

import pytest
import torch
from torch import nn

from deepnrc.errors import ArgumentError
from deepnrc.training.ensemble import train_together
from deepnrc.training.epoch.ensemble import Ensemble
from deepnrc.training.epoch.feed import ImageFeed, TensorFeed
from deepnrc.training.epoch.loop import train
from deepnrc.training.epoch.objective import mean_squared_error
from deepnrc.training.epoch.state import train_epoch
from ensembles import CLOSE, D, N, T, assert_same_weights, config, models, small_rows, state


@pytest.fixture
def rows():
    return small_rows()


def both_ways(rows, configs, seeds, **options):
    together, alone = models(len(configs), **options), models(len(configs), **options)
    results = train_together(together, *rows, configs, seeds=seeds)
    losses = [train(m, *rows, c, seed=s) for m, c, s in zip(alone, configs, seeds, strict=True)]
    return together, results, alone, losses


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"bias": True}, {}),
        ({"bias": True, "activation": "tanh"}, {"decay": "matrices"}),
        ({}, {"nesterov": True, "momentum": 0.7}),
        ({}, {"momentum": 0.0}),
        ({}, {"clip_norm": 0.3}),
        ({}, {"clip_norm": 100.0}),
        ({}, {"schedule": "cosine"}),
        ({"norm": "batch"}, {}),
        ({"norm": "layer", "bias": True}, {"clip_norm": 0.3}),
        ({}, {"weight_decay": 0.0, "ufm_lambda_h": 0.1, "ufm_lambda_w": 0.1}),
        ({}, {"optimizer": "adam", "lr": 0.01}),
        ({"norm": "batch"}, {"optimizer": "adamw", "lr": 0.01, "betas": [0.8, 0.9]}),
    ],
    ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) or "plain",
)
def test_the_same_as_one_by_one(rows, options, changes):
    configs = [config(**changes) for _ in range(3)]
    together, results, alone, losses = both_ways(rows, configs, [0, 1, 2], **options)
    for got, expected, result, loss in zip(together, alone, results, losses, strict=True):
        assert_same_weights(got, expected)
        assert result.losses == pytest.approx(loss, rel=1e-4)
        assert result.error is None


def test_bf16_is_the_same_as_one_by_one(rows):
    configs = [config(precision="bf16", epochs=1) for _ in range(2)]
    together, _, alone, _ = both_ways(rows, configs, [0, 1])
    for got, expected in zip(together, alone, strict=True):
        # Rounding of bfloat16 (4e-3) in another order; weights are of the order of 1.
        assert_same_weights(got, expected, {"rtol": 0, "atol": 2e-2})
    before = models(1)[0].fc1.weight
    assert (together[0].fc1.weight - before).abs().max() > 0.1  # so that 2e-2 says something


def test_rates_decays_schedules_and_seeds_are_each_ones_own(rows):
    configs = [
        config(lr=0.02, weight_decay=0.0),
        config(lr=0.05, weight_decay=0.1, decay="matrices"),
        config(lr=0.05, weight_decay=0.01, schedule="constant"),
        config(lr=0.05, weight_decay=0.01, milestones=[0.5], gamma=0.5),
    ]
    together, results, alone, losses = both_ways(rows, configs, [5, 6, 7, 7], bias=True)
    for got, expected, result, loss in zip(together, alone, results, losses, strict=True):
        assert_same_weights(got, expected)
        assert result.losses == pytest.approx(loss, rel=1e-4)
    assert len({result.losses[-1] for result in results}) == 4


def test_each_epoch_says_what_train_epoch_says(rows):
    made = config(clip_norm=0.5)
    members = [state(model, made, seed) for seed, model in enumerate(models())]
    ensemble = Ensemble(members)
    together = ensemble.train_epoch(
        TensorFeed(*rows), batch_size=4, lrs=[0.05, 0.01, 0.1], clip_norm=0.5
    )
    for seed, (model, lr, got) in enumerate(
        zip(models(), [0.05, 0.01, 0.1], together, strict=True)
    ):
        single = state(model, made, seed)
        expected = train_epoch(
            single, TensorFeed(*rows), mean_squared_error, batch_size=4, lr=lr, clip_norm=0.5
        )
        assert got.objective == pytest.approx(expected.objective, rel=1e-5)
        assert got.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-5)
        torch.testing.assert_close(got.squared_error, expected.squared_error, rtol=1e-5, atol=0)
        assert (got.samples, members[seed].epoch) == (N, 1)
        assert [g["lr"] for g in members[seed].optimizer.param_groups] == [lr]
        # The velocities are the members' own too: a checkpoint of one holds them.
        for p, q in zip(members[seed].model.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(
                members[seed].optimizer.state[p]["momentum_buffer"],
                single.optimizer.state[q]["momentum_buffer"],
                **CLOSE,
            )


def test_gradient_norms_without_clipping_are_of_the_same_batches(rows):
    [member], [single] = ([state(m, config()) for m in models(1)] for _ in range(2))
    # 35 batches, of which every 4th is looked at.
    [got] = Ensemble([member]).train_epoch(TensorFeed(*rows), batch_size=2, lrs=[0.05])
    expected = train_epoch(single, TensorFeed(*rows), mean_squared_error, batch_size=2, lr=0.05)
    assert got.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-5)


def test_more_batches_than_are_summed_up_at_once(rows):
    inputs, targets = (part.repeat(4, 1) for part in rows)
    made = config(epochs=1, batch_size=2, lr=0.001)
    [member], [single] = models(1), models(1)
    [got] = train_together([member], inputs, targets, [made], seeds=[0])  # 140 batches
    assert list(got.losses) == pytest.approx(train(single, inputs, targets, made), rel=1e-5)


def test_a_member_goes_on_alone_where_the_ensemble_stopped(rows):
    made, feed = config(), TensorFeed(*rows)
    members = [state(model, made, 3) for model in models()]
    Ensemble(members).train_epoch(feed, batch_size=16, lrs=[0.05] * 3)
    single = state(models()[1], made, 3)
    for one in (members[1], single):
        for _ in range(2 - one.epoch):
            train_epoch(one, feed, mean_squared_error, batch_size=16, lr=0.05)
    assert members[1].epoch == 2
    assert_same_weights(members[1].model, single.model)
    # And back: velocities of before are taken over.
    again = Ensemble([members[1]])
    again.train_epoch(feed, batch_size=16, lrs=[0.05])
    train_epoch(single, feed, mean_squared_error, batch_size=16, lr=0.05)
    assert_same_weights(members[1].model, single.model)


@pytest.mark.parametrize("changes", [{"momentum": 0.0}, {"optimizer": "adam"}], ids=str)
def test_nothing_is_left_that_training_alone_would_not_leave(rows, changes):
    member, single = (state(models(1)[0], config(**changes)) for _ in range(2))
    Ensemble([member]).train_epoch(TensorFeed(*rows), batch_size=16, lrs=[0.05])
    train_epoch(single, TensorFeed(*rows), mean_squared_error, batch_size=16, lr=0.05)
    moments = [one.optimizer.state_dict()["state"] for one in (member, single)]
    given = [
        {key: sorted(k for k, v in values.items() if v is not None) for key, values in each.items()}
        for each in moments
    ]
    assert {k: v for k, v in given[0].items() if v} == {k: v for k, v in given[1].items() if v}
    assert all(parameter.grad is None for parameter in member.model.parameters())


def test_frozen_parameters_stay(rows):
    together, alone = models(), models()
    for model in (*together, *alone):
        model.fc2.weight.requires_grad_(False)
    made = [config()] * 3
    train_together(together, *rows, made, seeds=[0, 0, 0])
    for got, expected, before in zip(together, alone, models(), strict=True):
        train(expected, *rows, made[0])
        assert_same_weights(got, expected)
        assert torch.equal(got.fc2.weight, before.fc2.weight)


def test_dropout_draws_for_each_member(rows):
    def make():
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(D, T, bias=False))

    one, same = make(), make()
    same.load_state_dict(one.state_dict())
    train_together([one, same], *rows, [config(epochs=1)] * 2, seeds=[0, 0])
    assert not torch.equal(one[1].weight, same[1].weight)


def test_any_network_goes_through_vmap(rows):
    def make(seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return nn.Sequential(
                nn.Unflatten(1, (1, D)),
                nn.Conv1d(1, 4, 3),
                nn.GELU(),
                nn.Flatten(),
                nn.Linear(12, T),
            )

    together, alone = [make(0), make(1)], [make(0), make(1)]
    train_together(together, *rows, [config()] * 2, seeds=[0, 1])
    for seed, (got, expected) in enumerate(zip(together, alone, strict=True)):
        train(expected, *rows, config(), seed=seed)
        assert_same_weights(got, expected)


def test_images_on_disk_and_a_wrong_number_of_rates_are_refused(rows):
    ensemble = Ensemble([state(models(1)[0], config())])
    images = ImageFeed(rows[0], rows[1], torch.device("cpu"))
    with pytest.raises(ArgumentError, match="not images from disk: train the members one by one"):
        ensemble.train_epoch(images, batch_size=4, lrs=[0.1])
    with pytest.raises(ArgumentError, match="lrs: expected 1 rates, one per member, got 2"):
        ensemble.train_epoch(TensorFeed(*rows), batch_size=4, lrs=[0.1, 0.1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_cuda_graphs_train_the_same(rows, norm):
    rows = tuple(part.cuda() for part in rows)
    together, alone = ([m.cuda() for m in models(norm=norm)] for _ in range(2))
    train_together(together, *rows, [config(schedule="cosine")] * 3, seeds=[0, 1, 2])
    for seed, (got, expected) in enumerate(zip(together, alone, strict=True)):
        train(expected, *rows, config(schedule="cosine"), seed=seed)
        assert_same_weights(got, expected, {"rtol": 1e-3, "atol": 1e-4})  # other kernels
