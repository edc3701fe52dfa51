"""The trained experts for Swimmer and Hopper: how each is trained, judged and kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepnrc.data.access.cache import data_folder, load_tensors, save_tensors
from deepnrc.data.sets.imitation.playing import Played, play
from deepnrc.data.sets.imitation.policy import Policy
from deepnrc.data.sets.imitation.tasks import Task
from deepnrc.data.sets.imitation.training import Recipe, Trained, train
from deepnrc.errors import FileError

__all__ = ["RECIPES", "Expert", "expert", "expert_path"]

JUDGED_EPISODES = 10
JUDGED = 1  # stream of the episodes that judge an expert; those of the data sets are stream 0

# Found with a few runs; what they reach is in docs/datasets. The time bounds are far above what
# a free core needs (some 3 and 5 minutes), as an expert that is cut short cannot be had again.
RECIPES = {
    "swimmer": Recipe(
        steps=600_000,
        gamma=0.9999,
        gae_lambda=0.98,
        learning_rate=6e-4,
        batch=256,
        rollout=1024,
        normalize_reward=False,
        seconds=1800.0,
    ),
    "hopper": Recipe(
        steps=600_000,
        gamma=0.99,
        gae_lambda=0.95,
        learning_rate=3e-4,
        batch=128,
        rollout=512,
        normalize_reward=True,
        seconds=3600.0,
    ),
}


@dataclass(frozen=True, eq=False)
class Expert:
    """A trained policy with what has to be known of it.

    Attributes:
        policy: State to action.
        facts: Recipe, steps taken, versions, whether time cut the training, and the returns of
            the episodes that judged it. Only what JSON can hold.
    """

    policy: Policy
    facts: dict[str, object]


def expert_path(task: Task, *, seed: int, cut_at: float | None = None) -> Path:
    """The file in the cache folder that holds the expert of this seed.

    An expert whose training a time bound of `cut_at` seconds cut short has a file of its own.
    """
    cut = "" if cut_at is None else f"-cut-{cut_at:g}s"
    return data_folder() / f"{task.name}-expert-seed{seed}{cut}.safetensors"


def expert(
    task: Task,
    *,
    seed: int,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda line: None,
    recipe: Recipe | None = None,
) -> Expert:
    """The expert for a task: the kept one if there is one, or else one trained now and kept.

    Args:
        task: One that has a recipe.
        seed: At least 0; fixes the training.
        seconds: Most wall-clock time for training; None is the recipe's bound.
        say: Takes a line about the progress.
        recipe: Another than the task's in `RECIPES`.

    Returns:
        The expert. Where time cut the training short, the facts say so.

    Raises:
        ArgumentError: if `seed` or `seconds` is too small.
        DeepNRCError: if an expert has to be trained and what that needs is not installed.
        FileError: if the expert cannot be written.
    """
    recipe = RECIPES[task.name] if recipe is None else recipe
    bound = recipe.seconds if seconds is None else seconds
    whole, cut = expert_path(task, seed=seed), expert_path(task, seed=seed, cut_at=bound)
    for path in (whole, cut):
        kept = _kept(path, recipe, say)
        if kept is not None:
            say(f"{task.environment}: taking the expert kept in {path}")
            return kept

    trained = train(task.environment, recipe, seed=seed, seconds=seconds, say=say)
    judged = play(
        task.environment, trained.policy, seed=seed, episodes=JUDGED_EPISODES, stream=JUDGED
    )
    facts = _facts(trained, judged, recipe=recipe, seed=seed, bound=bound)
    say(
        f"{task.environment}: mean return {facts['mean_return']:.0f} over {JUDGED_EPISODES} "
        "episodes" + (f", training cut after {bound:g} s" if trained.cut else "")
    )
    save_tensors(cut if trained.cut else whole, trained.policy.to_tensors(), facts)
    return Expert(trained.policy, facts)


def _facts(
    trained: Trained, judged: Played, *, recipe: Recipe, seed: int, bound: float
) -> dict[str, object]:
    """What is written down of a training and of the episodes that judged its outcome."""
    reproducible = "yes, bit by bit on the same machine and versions"
    if trained.cut:
        reproducible = (
            f"no: cut by the time bound of {bound:g} s after {trained.steps} of {recipe.steps} "
            "steps; another run stops elsewhere"
        )
    return {
        "algorithm": f"PPO of stable-baselines3, {trained.steps} steps, discount {recipe.gamma:g}, "
        f"seed {seed}; the mean action of a tanh network with hidden widths "
        f"{', '.join(map(str, recipe.hidden))}, clipped to [-1, 1]",
        "recipe": recipe.settings(),
        "seed": seed,
        "steps": trained.steps,
        "trained_with": trained.versions,
        "cut_by_time": trained.cut,
        "reproducible": reproducible,
        "mean_return": float(judged.returns.mean()),
        "lowest_return": float(judged.returns.min()),
        "highest_return": float(judged.returns.max()),
        "mean_length": float(judged.steps.mean()),
        "judged_episodes": len(judged.returns),
    }


def _kept(path: Path, recipe: Recipe, say: Callable[[str], None]) -> Expert | None:
    """The expert in a file, unless it is missing, damaged or of another recipe."""
    if not path.exists():
        return None
    try:
        tensors, facts = load_tensors(path, rebuild="deepnrc data build")
    except FileError as error:
        say(f"{error}; training the expert again")
        return None
    if facts.get("recipe") != recipe.settings():
        say(f"{path} holds an expert of another recipe; training the expert again")
        return None
    return Expert(Policy.from_tensors(tensors), facts)
