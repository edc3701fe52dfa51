"""The Reacher set and its scripted expert, in the simulator."""

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
from deepnrc.data.sets.imitation.building import build_scripted, read_built
from deepnrc.data.sets.imitation.playing import play
from deepnrc.data.sets.imitation.tasks import REACHER
from deepnrc.data.source import BuildRequest
from deepnrc.errors import ArgumentError, FileError

EPISODE_STEPS = 50  # gymnasium's own limit; Reacher never ends earlier


def build(folder, samples, seed=0):
    path = folder / f"reacher-samples{samples}-seed{seed}.safetensors"
    build_scripted(path, BuildRequest(samples, seed))
    return path


def expert_returns(episodes, *, seed=0):
    """The sum of rewards of each episode; 0 would be perfect."""
    expert = reacher_expert.expert_action
    return play("Reacher-v5", expert, seed=seed, episodes=episodes).returns


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """120 pairs with seed 3."""
    return build(tmp_path_factory.mktemp("built"), 120, 3)


@pytest.fixture(scope="module")
def data(path):
    return read_built(REACHER, path)


def test_shapes_types_and_names(data):
    assert data.inputs.shape == (120, 10)
    assert data.targets.shape == (120, 2)
    assert data.inputs.dtype == data.targets.dtype == torch.float32
    assert data.input_names == reacher_expert.OBSERVATION_NAMES
    assert data.target_names == reacher_expert.ACTION_NAMES


def test_provenance(data):
    assert json.loads(json.dumps(data.provenance)) == data.provenance
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


def test_built_twice_is_the_same_bytes(path, tmp_path):
    assert build(tmp_path, 120, 3).read_bytes() == path.read_bytes()


def test_smaller_set_is_the_beginning_of_a_larger_one(data, tmp_path):
    small = read_built(REACHER, build(tmp_path, 7, 3))
    assert torch.equal(small.inputs, data.inputs[:7])


def test_neighboring_seeds_share_no_episode():
    # With seed + episode as the episode's seed they would share all but one.
    returns = np.concatenate([expert_returns(3, seed=seed) for seed in (0, 1, 2)])
    assert len(np.unique(returns)) == 9


def test_global_generators_are_left_alone(tmp_path):
    before = np.random.get_state(), torch.get_rng_state()
    build(tmp_path, 1)
    assert str(np.random.get_state()) == str(before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_expert_solves_reacher():
    # gymnasium calls Reacher solved at -3.75. The mean over 2,500 episodes is -3.6, the standard
    # error over 200 is 0.1, so this holds with other simulator versions too.
    returns = expert_returns(200)
    assert returns.shape == (200,)
    assert returns.mean() > gymnasium.spec("Reacher-v5").reward_threshold
    assert returns.max() < 0


def test_the_fingertip_ends_on_every_reachable_target(tmp_path):
    # 2 mm, where the target is a ball with a radius of 9 mm and some 20 cm away at the start.
    data = read_built(REACHER, build(tmp_path, 40 * EPISODE_STEPS, 1))
    last = data.inputs.reshape(40, EPISODE_STEPS, 10)[:, -1]
    reachable = last[:, 4:6].norm(dim=1) > 0.02
    assert reachable.sum() >= 35
    assert last[reachable, 8:10].norm(dim=1).max() < 0.002  # m


@pytest.mark.parametrize(("end", "message"), [(b"", "cannot be read"), (b"\0", "was altered")])
def test_a_damaged_file_says_how_to_build_it_again(path, tmp_path, end, message):
    copy = tmp_path / path.name
    content = path.read_bytes()
    assert content[-1] != 0
    copy.write_bytes(content[:-1] + end)
    message = rf"reacher-samples120-seed3\.safetensors {message} .* --samples 120 --seed 3`"
    with pytest.raises(FileError, match=message):
        read_built(REACHER, copy)


@pytest.mark.parametrize("module", ["gymnasium", "mujoco"])
def test_missing_simulator(monkeypatch, tmp_path, module):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"Reacher-v5 needs {module}, .*: run `pip install 'deepnrc\[imitation\]'`"
    with pytest.raises(ArgumentError, match=message):
        build(tmp_path, 1)


def test_reading_needs_no_simulator(path, monkeypatch):
    for module in ("gymnasium", "mujoco"):
        monkeypatch.setitem(sys.modules, module, None)
    read_built(REACHER, path)


def test_importing_loads_no_simulator_and_playing_draws_from_no_global_generator():
    # In a process of its own: here the simulator is loaded, and beartype draws from `random`.
    code = (
        "import random, sys; from deepnrc.data.sets.imitation import building, playing, sources; "
        "print([name for name in ('gymnasium', 'mujoco') if name in sys.modules]); "
        "before = random.getstate(); "
        "playing.play('Reacher-v5', building.expert_action, seed=0, episodes=1); "
        "print(random.getstate() == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]
