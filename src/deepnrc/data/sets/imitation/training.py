"""Train an expert with stable-baselines3's PPO, reproducibly for a given seed.

PPO sees normalized observations and samples its actions from a Gaussian around the output of a
tanh network. The expert (`deepnrc.data.sets.imitation.policy`) is that network with the
normalization: it takes the mean action, clipped as the simulator would.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from deepnrc.data.sets.imitation.playing import simulator
from deepnrc.data.sets.imitation.policy import CLIP, Policy
from deepnrc.data.sets.imitation.recipes import Recipe
from deepnrc.support.optional import optional_import

__all__ = ["Trained", "train"]

EPSILON = 1e-8  # added to the variance of an observation, as VecNormalize does


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained expert.

    Attributes:
        policy: From a state to the clipped mean action.
        steps: Environment steps taken.
        cut: Whether the time limit stopped the training early; then another run may give another
            expert.
        versions: Of the libraries that the result depends on.
    """

    policy: Policy
    steps: int
    cut: bool
    versions: dict[str, object]


def train(
    environment: str,
    recipe: Recipe,
    *,
    seed: int,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train an expert on one CPU thread.

    The same recipe and seed give a bit-identical expert on the same machine with the same library
    versions, unless the time limit cuts the training short. The global random generators and
    torch's number of threads are restored afterwards.

    Args:
        environment: Gymnasium's name, such as ``Swimmer-v5``.
        recipe: The settings of PPO.
        seed: At least 0.
        seconds: Largest wall-clock time, above 0; None is the recipe's limit.
        say: Receives about ten lines of progress.

    Raises:
        ArgumentError: gymnasium, MuJoCo or stable-baselines3 is not installed.
    """
    gymnasium, versions = simulator(environment)
    baselines = _baselines("stable_baselines3", environment)
    versions |= {
        "stable_baselines3": baselines.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    with (
        _global_state_restored(),
        contextlib.closing(_simulations(gymnasium, environment, recipe)) as simulations,
    ):
        model = _ppo(baselines, simulations, recipe, seed)
        logger = _baselines("stable_baselines3.common.logger", environment)
        # A logger without outputs; the default one makes a folder in /tmp.
        model.set_logger(logger.Logger(folder=None, output_formats=[]))
        deadline = time.monotonic() + (recipe.seconds if seconds is None else seconds)
        progress = _Progress(environment, recipe.steps, deadline, say)
        model.learn(recipe.steps, callback=progress.keep_training)
        return Trained(
            policy=_policy(model, simulations.obs_rms),
            steps=model.num_timesteps,
            cut=progress.cut,
            versions=versions,
        )


def _baselines(module: str, environment: str) -> Any:
    purpose = f"training an expert for {environment}"
    return optional_import(module, purpose=purpose, extra="imitation")


def _simulations(gymnasium: Any, environment: str, recipe: Recipe) -> Any:
    """The environments side by side, with normalized observations and, if asked for, rewards."""
    monitor = _baselines("stable_baselines3.common.monitor", environment)
    vectorized = _baselines("stable_baselines3.common.vec_env", environment)
    make = [lambda: monitor.Monitor(gymnasium.make(environment))] * recipe.environments
    return vectorized.VecNormalize(
        vectorized.DummyVecEnv(make),
        norm_reward=recipe.normalize_reward,
        gamma=recipe.gamma,
        clip_obs=CLIP,
        epsilon=EPSILON,
    )


def _ppo(baselines: Any, simulations: Any, recipe: Recipe, seed: int) -> Any:
    return baselines.PPO(
        "MlpPolicy",
        simulations,
        n_steps=recipe.rollout,
        batch_size=recipe.batch,
        n_epochs=recipe.epochs,
        gamma=recipe.gamma,
        gae_lambda=recipe.gae_lambda,
        learning_rate=recipe.learning_rate,
        policy_kwargs={"net_arch": list(recipe.hidden)},
        # 32 bits, the most that NumPy's legacy generator takes, which stable-baselines3 seeds.
        seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        device="cpu",
    )


class _Progress:
    """Reports the progress of a training and stops it at its deadline."""

    def __init__(
        self, environment: str, steps: int, deadline: float, say: Callable[[str], None]
    ) -> None:
        self.cut = False
        self._environment, self._steps = environment, steps
        self._deadline, self._say = deadline, say
        self._tenths = 0

    def keep_training(self, scope: dict[str, Any], _: dict[str, Any]) -> bool:
        """Callback after every step; False ends the training."""
        model = scope["self"]
        tenths = 10 * model.num_timesteps // self._steps
        if tenths > self._tenths and model.ep_info_buffer:
            self._tenths = tenths
            mean = np.mean([episode["r"] for episode in model.ep_info_buffer])
            self._say(
                f"{self._environment}: {model.num_timesteps} of {self._steps} steps, "
                f"mean return {mean:.0f} while exploring"
            )
        self.cut = time.monotonic() > self._deadline
        return not self.cut


@contextlib.contextmanager
def _global_state_restored() -> Iterator[None]:
    """One torch thread inside; the number of threads and all global generators restored after."""
    # One thread, because these networks are too small for more, and sums over several threads
    # depend on how many there are.
    threads = torch.get_num_threads()
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            random.setstate(states[0])
            np.random.set_state(states[1])


def _policy(model: Any, statistics: Any) -> Policy:
    """The mean action of a PPO model, in NumPy arrays of its own."""
    actor = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    layers = [layer for layer in actor if isinstance(layer, torch.nn.Linear)]
    return Policy(
        mean=np.array(statistics.mean, dtype=np.float64),
        scale=np.sqrt(np.array(statistics.var, dtype=np.float64) + EPSILON),
        weights=tuple(layer.weight.detach().double().numpy().copy() for layer in layers),
        biases=tuple(layer.bias.detach().double().numpy().copy() for layer in layers),
    )
