import contextlib
import json
import subprocess
import sys

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from deepnrc.data.sets.imitation import reacher_expert
from deepnrc.data.sets.imitation.reacher import (
    EPISODE_STEPS,
    build_reacher,
    expert_returns,
    load_reacher,
    reacher_path,
    save_reacher,
)
from deepnrc.errors import ArgumentError, DeepNRCError, FileError


@pytest.fixture(scope="module")
def data():
    return build_reacher(120, seed=3)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    return tmp_path / "data"


def test_shapes_types_and_names(data):
    assert data.inputs.shape == (120, 10)
    assert data.targets.shape == (120, 2)
    assert data.inputs.dtype == data.targets.dtype == torch.float32
    assert len(data.input_names) == 10
    assert len(data.target_names) == 2


def test_provenance(data):
    said = dict(data.provenance)
    assert "from the observation only" in said.pop("expert")
    assert said.pop("observation").startswith("10 numbers; the 11 of Reacher-v4")
    assert said == {
        "data": "reacher",
        "made_from": "120 (state, action) pairs of a scripted expert in Reacher-v5, played on "
        "this machine",
        "environment": "Reacher-v5",
        "gymnasium": gymnasium.__version__,
        "mujoco": mujoco.__version__,
        "seed": 3,
        "samples": 120,
        "episodes": 3,  # the third is cut at 20 pairs, but played to its end
        "mean_return": expert_returns(3, seed=3).mean(),
    }


def test_every_stored_action_is_the_experts_answer_to_the_stored_state(data):
    for state, action in zip(data.inputs.numpy(), data.targets.numpy(), strict=True):
        np.testing.assert_array_equal(reacher_expert.expert_action(state), action)


def test_stored_actions_lead_through_the_stored_states_to_the_return(data):
    # Played again by a bare loop: setting the simulator to the stored start and applying the
    # stored actions leads through the stored states.
    with contextlib.closing(gymnasium.make("Reacher-v5")) as environment:
        environment.reset(seed=0)
        first = data.inputs[0].double().numpy()
        joints = np.arctan2(first[2:4], first[0:2])
        environment.unwrapped.set_state(
            np.concatenate([joints, first[4:6]]), np.concatenate([first[6:8], [0, 0]])
        )
        total = 0.0
        for step in range(EPISODE_STEPS):
            observation, reward, *_ = environment.step(data.targets[step].numpy())
            total += reward
            if step + 1 < EPISODE_STEPS:
                # The start is known to float32 rounding, 1e-7 relative; velocities reach 10 rad/s.
                np.testing.assert_allclose(observation, data.inputs[step + 1], atol=1e-5)
        assert total == pytest.approx(expert_returns(1, seed=3).item(), abs=1e-4)


def test_the_experts_arm_is_the_simulators(data):
    with contextlib.closing(gymnasium.make("Reacher-v5")) as environment:
        model = environment.unwrapped.model
    limit = model.joint("joint1").range
    assert limit.tolist() == [-reacher_expert.ELBOW_LIMIT, reacher_expert.ELBOW_LIMIT]
    assert not model.joint("joint0").limited.item()
    # Fingertip = target + offset, as observed, against the two links added up.
    values = data.inputs.double().numpy()
    joints = np.arctan2(values[:, 2:4], values[:, 0:2])
    total = joints.sum(axis=1)
    upper, lower = reacher_expert.UPPER_LINK, reacher_expert.LOWER_LINK
    x = upper * np.cos(joints[:, 0]) + lower * np.cos(total)
    y = upper * np.sin(joints[:, 0]) + lower * np.sin(total)
    # The simulator reports the fingertip of its last Runge-Kutta stage, micrometers off.
    np.testing.assert_allclose(values[:, 4:6] + values[:, 8:10], np.stack([x, y], 1), atol=1e-5)


def test_episodes_follow_each_other(data):
    targets = data.inputs[:, 4:6]
    for start in (0, 50, 100):
        episode = targets[start : start + 50]
        assert torch.equal(episode, episode[:1].expand_as(episode))
    assert len(targets.unique(dim=0)) == 3


def test_same_seed_same_bits(data):
    again = build_reacher(120, seed=3)
    assert torch.equal(again.inputs, data.inputs)
    assert torch.equal(again.targets, data.targets)
    assert again.provenance == data.provenance


def test_smaller_set_is_the_beginning_of_a_larger_one(data):
    assert torch.equal(build_reacher(7, seed=3).inputs, data.inputs[:7])


def test_neighboring_seeds_share_no_episode():
    # With seed + episode as the episode's seed they would share all but one.
    returns = np.concatenate([expert_returns(3, seed=seed) for seed in (0, 1, 2)])
    assert len(np.unique(returns)) == 9


def test_global_generators_are_left_alone():
    before = np.random.get_state(), torch.get_rng_state()
    build_reacher(1)
    assert str(np.random.get_state()) == str(before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_expert_solves_reacher():
    # gymnasium calls Reacher solved at -3.75. The mean over 2,500 episodes is -3.6, the standard
    # error over 200 is 0.1, so this holds with other simulator versions too.
    returns = expert_returns(200)
    assert returns.shape == (200,)
    assert returns.mean() > gymnasium.spec("Reacher-v5").reward_threshold
    assert returns.max() < 0


def test_the_fingertip_ends_on_every_reachable_target():
    # 2 mm, where the target is a ball with a radius of 9 mm and some 20 cm away at the start.
    data = build_reacher(40 * EPISODE_STEPS, seed=1)
    last = data.inputs.reshape(40, EPISODE_STEPS, 10)[:, -1]
    reachable = last[:, 4:6].norm(dim=1) > 0.02
    assert reachable.sum() >= 35
    assert last[reachable, 8:10].norm(dim=1).max() < 0.002  # m


def test_round_trip_in_the_cache(data, cache):
    path = save_reacher(data)
    assert path == cache / "reacher-samples120-seed3.safetensors"
    assert path == reacher_path(samples=120, seed=3)
    loaded = load_reacher(samples=120, seed=3)
    assert torch.equal(loaded.inputs, data.inputs)
    assert torch.equal(loaded.targets, data.targets)
    assert loaded.input_names == data.input_names
    assert loaded.target_names == data.target_names
    assert loaded.provenance == data.provenance


def test_round_trip_at_a_path(data, tmp_path):
    path = tmp_path / "mine.safetensors"
    assert save_reacher(data, path) == path
    assert torch.equal(load_reacher(path).inputs, data.inputs)


def test_provenance_is_plain_json(data):
    assert json.loads(json.dumps(data.provenance)) == data.provenance


def test_set_that_was_not_built():
    message = (
        r"reacher-samples1000-seed0\.safetensors does not exist; build it with "
        r"`deepnrc data build reacher --samples 1000`"
    )
    with pytest.raises(FileError, match=message):
        load_reacher()


def test_set_of_another_seed_that_was_not_built():
    with pytest.raises(FileError, match=r"seed7.* `deepnrc .* --samples 20 --seed 7`"):
        load_reacher(samples=20, seed=7)


def test_truncated_file(data):
    path = save_reacher(data)
    path.write_bytes(path.read_bytes()[:-1])
    message = r"reacher-samples120-seed3\.safetensors cannot be read .* --samples 120 --seed 3`"
    with pytest.raises(FileError, match=message):
        load_reacher(samples=120, seed=3)


def test_altered_byte(data):
    path = save_reacher(data)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    message = r"reacher-samples120-seed3\.safetensors was altered .* --samples 120 --seed 3`"
    with pytest.raises(FileError, match=message):
        load_reacher(samples=120, seed=3)


def test_bad_arguments():
    with pytest.raises(ArgumentError, match=r"samples: expected .* at least 1, got 0; pass"):
        build_reacher(0)
    with pytest.raises(ArgumentError, match=r"episodes: expected .* at least 1, got -2; pass"):
        expert_returns(-2)
    with pytest.raises(ArgumentError, match=r"seed: expected .* at least 0, got -1; pass"):
        build_reacher(1, seed=-1)


@pytest.mark.parametrize("module", ["gymnasium", "mujoco"])
def test_missing_simulator(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"needs gymnasium .*{module}.*; run `pip install 'deepnrc\[imitation\]'`"
    with pytest.raises(DeepNRCError, match=message):
        build_reacher(1)


def test_loading_needs_no_simulator(data, monkeypatch):
    save_reacher(data)
    for module in ("gymnasium", "mujoco"):
        monkeypatch.setitem(sys.modules, module, None)
    load_reacher(samples=120, seed=3)


def test_importing_loads_no_simulator_and_building_draws_from_no_global_generator():
    # In a process of its own: here the simulator is loaded, and beartype draws from `random`.
    code = (
        "import random, sys; from deepnrc.data.sets.imitation import build_reacher; "
        "print([name for name in ('gymnasium', 'mujoco') if name in sys.modules]); "
        "before = random.getstate(); build_reacher(1); print(random.getstate() == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]
