"""Train an expert with stable-baselines3's PPO, to the same bits for the same seed.

PPO sees normalised observations and draws its actions from a Gaussian around a tanh network's
output. What is kept (`deepnrc.data.sets.imitation.policy`) is that network and the normalisation:
the expert takes the mean action, clipped as the simulator would.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from deepnrc.data.sets.imitation.playing import check_at_least, simulator
from deepnrc.data.sets.imitation.policy import CLIP, Policy
from deepnrc.errors import ArgumentError, DeepNRCError

__all__ = ["Recipe", "Trained", "train"]

EPSILON = 1e-8  # added to the variance of an observation, as VecNormalize does


@dataclass(frozen=True)
class Recipe:
    """How PPO trains an expert; everything but the seed that decides the result.

    Attributes:
        steps: Environment steps in all; rounded up to whole rollouts.
        gamma: Discount of a step. Swimmer needs one close to 1, as what a stroke is worth shows
            only much later (Franceschetti et al., arXiv 2208.07587).
        gae_lambda: Of generalised advantage estimation.
        learning_rate: Of Adam, constant.
        batch: Steps a gradient step sees.
        rollout: Steps each environment takes between two rounds of gradient steps.
        environments: Played side by side.
        epochs: Passes over each rollout.
        hidden: Widths of the tanh layers.
        normalize_reward: Whether rewards are divided by the deviation of the discounted return.
        seconds: Most wall-clock time unless the user says otherwise.
    """

    steps: int
    gamma: float
    gae_lambda: float
    learning_rate: float
    batch: int
    rollout: int
    normalize_reward: bool
    seconds: float
    environments: int = 4
    epochs: int = 10
    hidden: tuple[int, ...] = (64, 64)

    def settings(self) -> dict[str, object]:
        """What decides the result, as JSON holds it: all but the time bound."""
        facts = asdict(self) | {"hidden": list(self.hidden)}
        del facts["seconds"]
        return facts


@dataclass(frozen=True, eq=False)
class Trained:
    """An expert as training left it.

    Attributes:
        policy: State to clipped mean action.
        steps: Environment steps taken.
        cut: Whether the time bound stopped the training before its last step; then another run
            may give another expert.
        versions: Of what the bits depend on.
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
    """Train an expert, on one thread of the CPU.

    The same recipe and seed give the same bits on the same machine and versions, unless the time
    bound cuts the training short. The global random generators and torch's number of threads are
    as before afterwards.

    Args:
        environment: Gymnasium's name, as ``Swimmer-v5``.
        recipe: How.
        seed: At least 0.
        seconds: Most wall-clock time, above 0; None is the recipe's bound.
        say: Takes about ten lines about the progress.

    Returns:
        The expert and what has to be known of its training.

    Raises:
        ArgumentError: if `seed` or `seconds` is too small.
        DeepNRCError: if gymnasium, MuJoCo or stable-baselines3 is not installed.
    """
    check_at_least("seed", seed, 0)
    bound = recipe.seconds if seconds is None else seconds
    if not bound > 0:
        raise ArgumentError(
            f"seconds: expected a time above 0 for training an expert, got {bound}; pass a "
            "larger one, or leave it out"
        )
    gymnasium, versions = simulator(environment)
    try:
        import stable_baselines3  # noqa: PLC0415  # optional and slow to import
        from stable_baselines3.common.logger import Logger  # noqa: PLC0415
        from stable_baselines3.common.monitor import Monitor  # noqa: PLC0415
        from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize  # noqa: PLC0415
    except ImportError as error:
        raise DeepNRCError(
            f"training an expert for {environment} needs stable-baselines3, which cannot be "
            f"imported ({error}); run `pip install 'deepnrc[imitation]'`"
        ) from error
    versions |= {
        "stable_baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    # 32 bits, all that NumPy's old generator takes, which stable-baselines3 seeds.
    seed32 = int(np.random.SeedSequence(seed).generate_state(1)[0])

    with _same_surroundings():
        simulations = VecNormalize(
            DummyVecEnv([lambda: Monitor(gymnasium.make(environment))] * recipe.environments),
            norm_reward=recipe.normalize_reward,
            gamma=recipe.gamma,
            clip_obs=CLIP,
            epsilon=EPSILON,
        )
        with contextlib.closing(simulations):
            model = stable_baselines3.PPO(
                "MlpPolicy",
                simulations,
                n_steps=recipe.rollout,
                batch_size=recipe.batch,
                n_epochs=recipe.epochs,
                gamma=recipe.gamma,
                gae_lambda=recipe.gae_lambda,
                learning_rate=recipe.learning_rate,
                policy_kwargs={"net_arch": list(recipe.hidden)},
                seed=seed32,
                device="cpu",
            )
            model.set_logger(Logger(folder=None, output_formats=[]))  # or it makes a folder in /tmp
            watch = _Watch(environment, recipe.steps, time.monotonic() + bound, say)
            model.learn(recipe.steps, callback=watch.goes_on)
            return Trained(
                policy=_policy(model, simulations.obs_rms),
                steps=model.num_timesteps,
                cut=watch.cut,
                versions=versions,
            )


class _Watch:
    """Says how far the training is, and ends it when its time is over."""

    def __init__(
        self, environment: str, steps: int, deadline: float, say: Callable[[str], None]
    ) -> None:
        self.cut = False
        self._environment, self._steps, self._deadline, self._say = (
            environment,
            steps,
            deadline,
            say,
        )
        self._tenths = 0

    def goes_on(self, scope: dict[str, Any], _: dict[str, Any]) -> bool:
        """Called after every step; False ends the training."""
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
def _same_surroundings() -> Iterator[None]:
    """One thread of torch inside, and outside no trace of it or of any global seed."""
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
    """The mean action of a PPO model as NumPy arrays of its own."""
    actor = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    layers = [layer for layer in actor if isinstance(layer, torch.nn.Linear)]
    return Policy(
        mean=np.array(statistics.mean, dtype=np.float64),
        scale=np.sqrt(np.array(statistics.var, dtype=np.float64) + EPSILON),
        weights=tuple(layer.weight.detach().double().numpy().copy() for layer in layers),
        biases=tuple(layer.bias.detach().double().numpy().copy() for layer in layers),
    )
