"""Run an expert in its environment and record the (state, action) pairs."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.support.optional import optional_import

__all__ = ["Act", "Played", "episode_seed", "play", "simulator"]

Act = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Played:
    """The recorded steps, in order, episode after episode.

    Attributes:
        states: (steps, d), the observed states.
        actions: (steps, t), the expert's action in each state, in [-1, 1].
        returns: (episodes,), the sum of rewards of each episode.
        steps: (episodes,), the length of each episode.
        versions: Of gymnasium and MuJoCo.
    """

    states: npt.NDArray[np.float32]
    actions: npt.NDArray[np.float32]
    returns: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int64]
    versions: dict[str, object]


def play(
    environment: str, act: Act, *, seed: int, samples: int = 0, episodes: int = 0, stream: int = 0
) -> Played:
    """Run whole episodes until there are at least `samples` steps and `episodes` episodes.

    The last episode runs to its end, so there may be more steps than `samples`. With the same seed
    and stream, a recording of fewer samples is the beginning of a longer one.

    Args:
        environment: Gymnasium's name, such as ``Swimmer-v5``.
        act: The expert: from a state (d,) to an action (t,), both float32; the action is applied
            as it is.
        seed: At least 0; determines the start of every episode.
        samples: Least number of steps.
        episodes: Least number of episodes; at least one is run.
        stream: Recordings with the same seed but different streams share no episode.

    Raises:
        ArgumentError: gymnasium or MuJoCo is not installed.
    """
    gymnasium, versions = simulator(environment)
    states: list[npt.NDArray[np.float32]] = []
    actions: list[npt.NDArray[np.float32]] = []
    returns: list[float] = []
    steps: list[int] = []
    with contextlib.closing(gymnasium.make(environment)) as simulation:
        while not returns or len(states) < samples or len(returns) < episodes:
            observation, _ = simulation.reset(seed=episode_seed(seed, len(returns), stream=stream))
            total, start, over = 0.0, len(states), False
            while not over:
                # The expert sees the rounded state that is stored, so that every stored action is
                # exactly a function of the stored state.
                state = observation.astype(np.float32)
                action = act(state)
                states.append(state)
                actions.append(action)
                observation, reward, terminated, truncated, _ = simulation.step(action)
                total += float(reward)
                over = terminated or truncated
            returns.append(total)
            steps.append(len(states) - start)
    return Played(np.stack(states), np.stack(actions), np.array(returns), np.array(steps), versions)


def simulator(environment: str) -> tuple[Any, dict[str, object]]:
    """The gymnasium module, and the versions of gymnasium and MuJoCo.

    Raises:
        ArgumentError: gymnasium or MuJoCo is not installed.
    """
    # MuJoCo too, because without it gymnasium would fail only later.
    gymnasium, mujoco = (
        optional_import(name, purpose=f"running {environment}", extra="imitation")
        for name in ("gymnasium", "mujoco")
    )
    return gymnasium, {"gymnasium": gymnasium.__version__, "mujoco": mujoco.__version__}


def episode_seed(seed: int, episode: int, *, stream: int = 0) -> int:
    """A different seed for each episode; sets of neighboring seeds share no episode."""
    key = (episode, stream) if stream else (episode,)
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return int(sequence.generate_state(1, np.uint64)[0])
