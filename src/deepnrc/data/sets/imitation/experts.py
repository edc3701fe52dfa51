"""The trained experts for Swimmer and Hopper, kept in the cache folder with their returns."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepnrc.data.access.cache import data_folder, load_tensors, save_tensors
from deepnrc.data.sets.imitation.playing import Played, play
from deepnrc.data.sets.imitation.policy import Policy
from deepnrc.data.sets.imitation.recipes import RECIPES, Recipe
from deepnrc.data.sets.imitation.tasks import Task
from deepnrc.data.sets.imitation.training import Trained, train
from deepnrc.errors import FileError
from deepnrc.storage.atomic import remove_drafts
from deepnrc.storage.lock import file_lock

__all__ = ["Expert", "expert_path", "load_or_train", "weakness"]

EVALUATION_EPISODES = 10
EVALUATION_STREAM = 1  # of the episodes that evaluate an expert; those of the data sets are 0


@dataclass(frozen=True, eq=False)
class Expert:
    """A trained policy and how it was trained.

    Attributes:
        policy: From a state to an action.
        facts: Recipe, steps taken, versions, whether the time limit cut the training short, and
            the returns of the evaluation episodes. Only what JSON can hold.
    """

    policy: Policy
    facts: dict[str, object]


def expert_path(task: Task, *, seed: int, cut_at: float | None = None) -> Path:
    """The file in the cache folder that holds the expert of this seed.

    An expert whose training was cut short after `cut_at` seconds has a separate file.
    """
    cut = "" if cut_at is None else f"-cut-{cut_at:g}s"
    return data_folder() / f"{task.name}-expert-seed{seed}{cut}.safetensors"


def load_or_train(
    task: Task,
    *,
    seed: int,
    seconds: float | None = None,
    say: Callable[[str], None] = lambda line: None,
    recipe: Recipe | None = None,
) -> Expert:
    """The kept expert for a task and seed; where there is none, one is trained now and kept.

    Args:
        task: A task with a recipe.
        seed: At least 0; determines the training.
        seconds: Largest wall-clock time of the training; None is the recipe's limit.
        say: Receives lines about the progress.
        recipe: Replaces the task's recipe in `RECIPES`.

    Raises:
        ArgumentError: An expert has to be trained and a library for it is not installed.
        FileError: The expert cannot be written.
    """
    recipe = RECIPES[task.name] if recipe is None else recipe
    limit = recipe.seconds if seconds is None else seconds
    whole = expert_path(task, seed=seed)

    def on_busy(holder: str) -> None:
        say(f"{task.environment}: {holder} is training this expert; waiting for it")

    with file_lock(whole.with_name(f".{whole.name}.lock"), on_busy):
        return _load_or_train(task, recipe, whole, seed=seed, limit=limit, say=say)


def _load_or_train(
    task: Task,
    recipe: Recipe,
    whole: Path,
    *,
    seed: int,
    limit: float,
    say: Callable[[str], None],
) -> Expert:
    """As `load_or_train`, while no other process trains the same expert."""
    cut = expert_path(task, seed=seed, cut_at=limit)
    for path in (whole, cut):
        remove_drafts(path.parent, path.name)  # of processes that were killed
    for path in (whole, cut):
        kept = _kept(path, recipe, say)
        if kept is not None:
            say(f"{task.environment}: using the expert in {path}")
            return kept

    if limit < recipe.usual_seconds:
        say(
            f"{task.environment}: {limit:g} s are less than the training usually takes, "
            f"{recipe.usual_seconds:g} s on a free core"
        )
    trained = train(task.environment, recipe, seed=seed, seconds=limit, say=say)
    evaluation = play(
        task.environment,
        trained.policy,
        seed=seed,
        episodes=EVALUATION_EPISODES,
        stream=EVALUATION_STREAM,
    )
    facts = _facts(trained, evaluation, recipe=recipe, seed=seed, limit=limit)
    say(
        f"{task.environment}: mean return {facts['mean_return']:.0f} over {EVALUATION_EPISODES} "
        "episodes" + (f", training cut short after {limit:g} s" if trained.cut else "")
    )
    save_tensors(cut if trained.cut else whole, trained.policy.to_tensors(), facts)
    return Expert(trained.policy, facts)


def weakness(task: Task, facts: Mapping[str, Any], recipe: Recipe | None = None) -> str:
    """Why an expert is too weak for a set, and what to do; empty where it is not.

    Args:
        task: That the expert was trained for.
        facts: Of the expert.
        recipe: In place of the task's own, with which facts of another recipe are not compared.
    """
    chosen = RECIPES[task.name] if recipe is None else recipe
    reached = facts.get("mean_return", math.inf)
    if facts.get("recipe") != chosen.settings() or reached >= chosen.least_return:
        return ""
    why, remedy = "although it was trained to its end", "take another seed"
    if facts.get("cut_by_time"):
        why = f"as its training ended after {facts.get('steps'):,} of {chosen.steps:,} steps"
        remedy = "give it more time, or no limit"
    return (
        f"an expert for {task.name} must reach a mean return of {chosen.least_return:g}; got "
        f"{reached:.0f}, {why}: {remedy} (usually {chosen.usual_seconds:g} s on a free core), or "
        f"get a published set with `deepnrc data fetch {task.name}`"
    )


def _facts(
    trained: Trained, evaluation: Played, *, recipe: Recipe, seed: int, limit: float
) -> dict[str, object]:
    """What is stored about a training and its evaluation."""
    reproducible = "yes, bit by bit on the same machine and versions"
    if trained.cut:
        reproducible = (
            f"no: cut short by the time limit of {limit:g} s after {trained.steps} of "
            f"{recipe.steps} steps; another run stops elsewhere"
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
        "mean_return": float(evaluation.returns.mean()),
        "lowest_return": float(evaluation.returns.min()),
        "highest_return": float(evaluation.returns.max()),
        "mean_length": float(evaluation.steps.mean()),
        "judged_episodes": len(evaluation.returns),
    }


def _kept(path: Path, recipe: Recipe, say: Callable[[str], None]) -> Expert | None:
    """The expert in a file; None where it is missing, damaged or of another recipe."""
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
