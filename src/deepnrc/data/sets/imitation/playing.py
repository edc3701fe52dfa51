"""Play an environment with an expert and keep what it saw and did. gymnasium is imported here."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.errors import ArgumentError, DeepNRCError

__all__ = ["Act", "Played", "check_at_least", "episode_seed", "play", "simulator"]

Act = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Played:
    """What an expert saw and did, step after step and episode after episode.

    Attributes:
        states: (steps, d): what the expert saw.
        actions: (steps, t): what it did then, in [-1, 1].
        returns: (episodes,): the sum of rewards of each episode.
        steps: (episodes,): the length of each episode.
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
    """Play whole episodes until there are enough of them and of their steps.

    The last episode is played to its end, so there may be more steps than `samples`. A play of
    fewer samples is the beginning of a longer one with the same seed and stream.

    Args:
        environment: Gymnasium's name, as ``Swimmer-v5``.
        act: The expert: state (d,) to action (t,), both float32; its answer is applied as it is.
        seed: At least 0; fixes the start of every episode.
        samples: Steps wanted.
        episodes: Episodes wanted.
        stream: Plays of the same seed but other streams share no episode.

    Returns:
        At least one episode.

    Raises:
        ArgumentError: if `seed` is below 0.
        DeepNRCError: if gymnasium or MuJoCo is not installed.
    """
    check_at_least("seed", seed, 0)
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
    """The gymnasium module, once it is known that MuJoCo is there too, and both versions.

    Raises:
        DeepNRCError: if gymnasium or MuJoCo is not installed.
    """
    try:
        import gymnasium  # noqa: PLC0415  # optional and slow to import
        import mujoco  # noqa: PLC0415  # optional; gymnasium would only fail later without it
    except ImportError as error:
        raise DeepNRCError(
            f"playing {environment} needs gymnasium with MuJoCo, which cannot be imported "
            f"({error}); run `pip install 'deepnrc[imitation]'`"
        ) from error
    return gymnasium, {"gymnasium": gymnasium.__version__, "mujoco": mujoco.__version__}


def episode_seed(seed: int, episode: int, *, stream: int = 0) -> int:
    """A seed of its own for each episode: sets of neighboring seeds share no episode."""
    key = (episode, stream) if stream else (episode,)
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return int(sequence.generate_state(1, np.uint64)[0])


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuse an integer argument that is too small.

    Raises:
        ArgumentError: if it is below `least`.
    """
    if value < least:
        raise ArgumentError(
            f"{name}: expected an integer of at least {least}, got {value}; pass a larger one"
        )
