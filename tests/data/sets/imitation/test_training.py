import random
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from deepnrc.data.sets.imitation import training
from deepnrc.data.sets.imitation.training import train
from deepnrc.errors import ArgumentError


@pytest.fixture(scope="module")
def trained(tiny):
    return train("Swimmer-v5", tiny, seed=3)


def bits(trained):
    return [t.numpy().tobytes() for t in trained.policy.to_tensors().values()]


def test_shapes_and_facts(trained):
    assert [w.shape for w in trained.policy.weights] == [(8, 8), (8, 8), (2, 8)]
    assert trained.policy.mean.shape == trained.policy.scale.shape == (8,)
    assert trained.steps == 256
    assert trained.cut is False
    versions = ["gymnasium", "mujoco", "numpy", "stable_baselines3", "torch"]
    assert sorted(trained.versions) == versions


def test_same_seed_same_bits(tiny, trained):
    # Other states of the global generators and another number of threads make no difference.
    random.seed(5)
    np.random.seed(6)
    torch.manual_seed(7)
    torch.set_num_threads(2)
    try:
        again = train("Swimmer-v5", tiny, seed=3)
    finally:
        torch.set_num_threads(1)
    assert bits(again) == bits(trained)


def test_other_seed_other_expert(tiny, trained):
    assert bits(train("Swimmer-v5", tiny, seed=4)) != bits(trained)


def test_surroundings_are_left_alone(tiny):
    torch.set_num_threads(2)
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state()
    try:
        train("Swimmer-v5", tiny, seed=0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.get_rng_state(), before[2])
    assert str(np.random.get_state()) == before[1]
    assert random.getstate() == before[0]


def test_surroundings_are_left_alone_after_an_error(tiny, monkeypatch):
    before = torch.get_rng_state()
    torch.set_num_threads(2)

    def say(line):
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            train("Hopper-v5", replace(tiny, steps=2000, rollout=256), seed=0, say=say)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_left_in_the_temporary_folder(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    train("Swimmer-v5", tiny, seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def model(tiny, monkeypatch):
    """A trained policy and the PPO model that it was taken from."""
    kept = []
    original = training._policy

    def keep(model, statistics):
        kept.append(model)
        return original(model, statistics)

    monkeypatch.setattr(training, "_policy", keep)
    return train("Swimmer-v5", tiny, seed=1).policy, kept[0]


def test_policy_is_the_mean_action_of_ppo(model, rng):
    policy, ppo = model
    for state in (10 * rng.standard_normal((50, 8))).astype(np.float32):
        action, _ = ppo.predict(ppo.get_env().normalize_obs(state), deterministic=True)
        # PPO computes in float32: rounding of a sum of 8 terms in each of three layers.
        np.testing.assert_allclose(policy(state), action, atol=2e-6)


def test_rewards_are_discounted_by_gamma_and_normalized_so_too(model, tiny):
    _, ppo = model
    assert ppo.gamma == ppo.get_env().gamma == tiny.gamma == 0.9999


def test_training_moves_the_policy(tiny, trained):
    # As initialised, stable-baselines3 makes the last layer's weights a hundredth of orthogonal
    # ones (gain 0.01) and its biases 0.
    assert np.abs(trained.policy.biases[-1]).min() > 0
    longer = train("Swimmer-v5", replace(tiny, steps=512), seed=3)
    assert np.abs(longer.policy.weights[-1] - trained.policy.weights[-1]).max() > 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {"gamma": 0.5},
        {"gae_lambda": 0.5},
        {"learning_rate": 1e-4},
        {"batch": 32},
        {"rollout": 32},
        {"epochs": 3},
        {"environments": 4},
        {"normalize_reward": False},
        {"hidden": (8,)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_counts(tiny, trained, change):
    assert bits(train("Swimmer-v5", replace(tiny, **change), seed=3)) != bits(trained)
    assert replace(tiny, **change).settings() != tiny.settings()


def test_settings_are_plain_json_without_the_bound(tiny):
    assert replace(tiny, seconds=1.0).settings() == tiny.settings()
    assert tiny.settings()["hidden"] == [8, 8]


def test_time_bound_stops_early(tiny):
    cut = train("Swimmer-v5", tiny, seed=3, seconds=1e-9)
    assert cut.cut is True
    assert cut.steps < 256


def test_recipes_own_time_bound(tiny):
    assert train("Swimmer-v5", replace(tiny, seconds=1e-9), seed=3).cut is True


def test_progress_is_said(tiny):
    lines = []
    train("Hopper-v5", replace(tiny, steps=1024), seed=0, say=lines.append)
    assert 3 <= len(lines) <= 10
    assert lines[-1].startswith("Hopper-v5: 1024 of 1024 steps, mean return ")
    assert lines[-1].endswith(" while exploring")


def test_large_seed(tiny):
    train("Swimmer-v5", tiny, seed=2**63)  # NumPy's old generator takes 32 bits only


@pytest.mark.parametrize("module", ["gymnasium", "mujoco", "stable_baselines3"])
def test_what_is_missing_is_named(tiny, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"Swimmer-v5 needs {module}, .*: run `pip install 'deepnrc\[imitation\]'`"
    with pytest.raises(ArgumentError, match=message):
        train("Swimmer-v5", tiny, seed=0)


def test_no_warnings(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train("Hopper-v5", tiny, seed=0)
