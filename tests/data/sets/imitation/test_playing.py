import gymnasium
import mujoco
import numpy as np
import pytest

from deepnrc.data.sets.imitation.playing import episode_seed, play


def lean(state):
    """Some function of the state: Hopper falls soon, after a number of steps that varies."""
    return np.clip(100 * state[5:8], -1, 1)


def test_episodes_of_several_lengths_are_played_whole():
    played = play("Hopper-v5", lean, seed=1, samples=50)
    assert played.steps.sum() == len(played.states) == len(played.actions) >= 50
    assert played.steps[:-1].sum() < 50
    assert len(set(played.steps.tolist())) > 1
    assert len(played.returns) == len(played.steps)
    assert played.versions == {"gymnasium": gymnasium.__version__, "mujoco": mujoco.__version__}


def test_by_episodes():
    assert len(play("Hopper-v5", lean, seed=1, episodes=3).returns) == 3


def test_against_a_bare_loop():
    played = play("Hopper-v5", lean, seed=4, episodes=2)
    simulation = gymnasium.make("Hopper-v5")
    row = 0
    for episode in range(2):
        observation, _ = simulation.reset(seed=episode_seed(4, episode))
        total = 0.0
        for _ in range(played.steps[episode]):
            np.testing.assert_array_equal(played.states[row], observation.astype(np.float32))
            np.testing.assert_array_equal(played.actions[row], lean(played.states[row]))
            observation, reward, terminated, truncated, _ = simulation.step(played.actions[row])
            total += reward
            row += 1
        assert terminated or truncated
        assert played.returns[episode] == total
    simulation.close()


@pytest.mark.parametrize(("samples", "steps"), [(1000, [1000]), (1001, [1000, 1000])])
def test_swimmer_ends_at_its_limit(samples, steps):
    played = play("Swimmer-v5", lambda state: state[:2], seed=0, samples=samples)
    assert played.steps.tolist() == steps


def test_shorter_play_is_the_beginning_of_a_longer_one():
    short, long = (play("Hopper-v5", lean, seed=2, samples=n) for n in (5, 60))
    np.testing.assert_array_equal(short.states, long.states[: len(short.states)])
    np.testing.assert_array_equal(short.actions, long.actions[: len(short.actions)])


def test_streams_and_neighboring_seeds_share_no_episode():
    seeds = {
        episode_seed(seed, episode, stream=stream)
        for seed in range(5)
        for episode in range(5)
        for stream in range(3)
    }
    assert len(seeds) == 75
    starts = [
        play("Hopper-v5", lean, seed=0, episodes=1, stream=stream).states[0] for stream in (0, 1)
    ]
    assert not np.array_equal(*starts)
