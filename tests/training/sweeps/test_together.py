"""Runs trained at once are the runs they would be alone, each in a folder of its own."""

import json

import pytest
import torch
from safetensors.torch import load_file

import deepnrc
from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.epoch.ensemble import Ensemble
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.runs.log import read_log
from deepnrc.training.runs.run import run_experiment
from deepnrc.training.runs.session import Session
from deepnrc.training.sweeps.together import run_together
from helpers import run_contents as contents
from helpers import small_experiment as config

# Rounding of float32 (6e-8) in another order of summation, grown over 30 steps of training.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


THREE = [config(), config(1, lr=0.02), config(0, weight_decay=0.0, schedule="cosine")]


def outs(path, configs=THREE):
    return [path / str(number) for number, _ in enumerate(configs)]


def assert_the_same_run(got, expected):
    """Up to rounding, in every file."""
    assert contents(got).keys() == contents(expected).keys()
    for name in ("config.toml", "provenance.json"):
        assert (got / name).read_bytes() == (expected / name).read_bytes()
    for one, other in zip(
        read_log(got / "log.jsonl"), read_log(expected / "log.jsonl"), strict=True
    ):
        assert one.keys() == other.keys()
        for key, value in one.items():
            # R² as far as the sums that it is the difference of.
            assert value == pytest.approx(other[key], rel=1e-4, abs=1e-4 * ("r2" in key)), key
    for file in (expected / "checkpoints").iterdir():
        mine = load_file(got / "checkpoints" / file.name)
        torch.testing.assert_close(mine, load_file(file), **CLOSE)
    for file in (expected / "measurements").iterdir():
        mine, theirs = deepnrc.load(got / "measurements" / file.name), deepnrc.load(file)
        assert mine.model_mse == pytest.approx(theirs.model_mse, rel=1e-4)
        for layer, other in zip(mine, theirs, strict=True):
            # Angles and ranks of features that differ by 1e-5.
            assert layer.values == pytest.approx(other.values, rel=1e-3, abs=1e-5, nan_ok=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone")
    for made, out in zip(THREE, outs(path), strict=True):
        run_experiment(made, out)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("together")
    assert run_together(THREE, outs(path)) == [None] * 3
    return path


def stop(monkeypatch, owner, name, call):
    """Ctrl-C in place of this call, counted from 1."""
    done, count = getattr(owner, name), iter(range(1, 1000))

    def stopping(*args, **options):
        if next(count) == call:
            raise KeyboardInterrupt
        return done(*args, **options)

    monkeypatch.setattr(owner, name, stopping)


def stopped(monkeypatch, path, owner, name, call, configs=THREE):
    with monkeypatch.context() as context:
        stop(context, owner, name, call)
        with pytest.raises(KeyboardInterrupt):
            run_together(configs, outs(path, configs))


def test_what_does_not_go_together_is_refused(tmp_path):
    with pytest.raises(
        ArgumentError, match="experiments that differ only in seed, decay, gamma, l"
    ):
        run_together([config(), config(batch_size=8)], outs(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_each_is_the_run_it_is_alone(alone, whole):
    for got, expected in zip(outs(whole), outs(alone), strict=True):
        assert_the_same_run(got, expected)
    losses = {read_log(out / "log.jsonl")[-1]["train_loss"] for out in outs(whole)}
    assert len(losses) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"model": {"norm": "batch", "bias": True}},
        {"optimizer": "adamw", "decay": "matrices", "weight_decay": 0.1, "model": {"bias": True}},
        {"weight_decay": 0.0, "ufm_lambda_h": 1e-3, "ufm_lambda_w": 1e-3, "clip_norm": 0.5},
    ],
    ids=["batch norm", "adamw", "ufm"],
)
def test_of_any_kind_each_is_the_run_it_is_alone(tmp_path, options, monkeypatch):
    configs = [config(seed, lr=0.01, **options) for seed in range(2)]
    stopped(monkeypatch, tmp_path, Ensemble, "train_epoch", 4, configs)
    assert run_together(configs, outs(tmp_path, configs)) == [None, None]
    for made, out in zip(configs, outs(tmp_path, configs), strict=True):
        run_experiment(made, tmp_path / "alone" / out.name)
        assert_the_same_run(out, tmp_path / "alone" / out.name)


def test_the_sessions_say_with_how_many(whole):
    for out in outs(whole):
        started, ended = map(json.loads, (out / "sessions.jsonl").read_text().splitlines())
        assert (started["epoch"], started["together"], ended["epoch"]) == (0, 3, 6)
        assert 0 < ended["seconds_measuring"] <= ended["seconds"]


@pytest.mark.parametrize("epoch", [1, 4, 6])
def test_stopped_in_any_epoch_all_end_in_the_same_bytes(whole, tmp_path, monkeypatch, epoch):
    stopped(monkeypatch, tmp_path, Ensemble, "train_epoch", epoch)
    assert run_together(THREE, outs(tmp_path)) == [None] * 3
    assert contents(tmp_path) == contents(whole)


# Saved 3 at epoch 0, 3 at epoch 2, 3 at epoch 4: so the first, or the first two, are ahead.
@pytest.mark.parametrize("call", [5, 9])
def test_stopped_while_it_saves_those_behind_catch_up(alone, tmp_path, monkeypatch, call):
    stopped(monkeypatch, tmp_path, Session, "save", call)
    epochs = [_epoch(out) for out in outs(tmp_path)]
    assert len(set(epochs)) == 2
    trained, train_epoch = [], Ensemble.train_epoch

    def noted(self, *args, **options):
        trained.append(len(self.states))
        return train_epoch(self, *args, **options)

    monkeypatch.setattr(Ensemble, "train_epoch", noted)
    assert run_together(THREE, outs(tmp_path)) == [None] * 3
    assert trained[:3] == [epochs.count(min(epochs))] * 2 + [3]
    for got, expected in zip(outs(tmp_path), outs(alone), strict=True):
        assert_the_same_run(got, expected)


def _epoch(out):
    header = RunFolder(out).latest.read_bytes()[:2000].decode(errors="replace")
    return int(header.partition('\\"epoch\\": ')[2].partition(",")[0])


def test_a_run_goes_on_alone_and_together_again(alone, tmp_path, monkeypatch):
    stopped(monkeypatch, tmp_path, Ensemble, "train_epoch", 3)
    assert run_experiment(THREE[1], outs(tmp_path)[1]).trained_epochs == 4
    assert run_together(THREE, outs(tmp_path)) == [None] * 3  # one of them has nothing left
    for got, expected in zip(outs(tmp_path), outs(alone), strict=True):
        assert_the_same_run(got, expected)


def test_one_that_diverges_fails_alone(whole, tmp_path):
    configs = [THREE[0], config(5, lr=1e30), *THREE[1:]]
    none, error, *nones = run_together(configs, outs(tmp_path, configs))
    assert [none, *nones] == [None] * 3
    message = r"the training loss is (nan|inf) after epoch 1: lower the learning rate \(training.lr"
    with pytest.raises(DeepNRCError, match=message):
        raise error
    assert read_log(tmp_path / "1" / "log.jsonl") == []
    assert RunFolder(tmp_path / "1").epochs() == [0]
    for got, expected in zip((0, 2, 3), outs(whole), strict=True):
        assert_the_same_run(tmp_path / str(got), expected)
    *_, last = (tmp_path / "1" / "sessions.jsonl").read_text().splitlines()
    assert "ended" not in json.loads(last)


def test_a_folder_in_use_and_one_of_another_run_fail_alone(whole, tmp_path):
    first, second, third = outs(tmp_path)
    second.mkdir()
    (second / "thesis.tex").write_text("")
    with lock_folder(third):
        errors = run_together(THREE, [first, second, third])
    assert errors[0] is None
    assert "holds other files (thesis.tex, …) and no run" in str(errors[1])
    assert "is in use by process" in str(errors[2])
    assert_the_same_run(first, outs(whole)[0])
    with lock_folder(first):  # given back
        pass


def test_all_folders_are_held(tmp_path, monkeypatch):
    train_epoch, refused = Ensemble.train_epoch, []

    def trying(self, *args, **options):
        for out in outs(tmp_path):
            with pytest.raises(DeepNRCError, match="in use by process"):
                lock_folder(out).__enter__()
            refused.append(out)
        return train_epoch(self, *args, **options)

    monkeypatch.setattr(Ensemble, "train_epoch", trying)
    assert run_together(THREE, outs(tmp_path)) == [None] * 3
    assert len(refused) == 18


def test_the_data_are_loaded_once(tmp_path, monkeypatch):
    from deepnrc.training.sweeps import together

    loads, load_data = [], together.load_data
    monkeypatch.setattr(together, "load_data", lambda made: loads.append(made) or load_data(made))
    run_together(THREE, outs(tmp_path))
    assert len(loads) == 1
