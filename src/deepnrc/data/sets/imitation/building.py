"""Build the imitation sets with an expert on this machine, and read what was built."""

from pathlib import Path

import torch

from deepnrc.data.access.cache import load_tensors, rebuild_command, save_tensors
from deepnrc.data.sets.imitation.experts import load_or_train, weakness
from deepnrc.data.sets.imitation.playing import Act, play
from deepnrc.data.sets.imitation.reacher_expert import expert_action
from deepnrc.data.sets.imitation.recipes import Recipe
from deepnrc.data.sets.imitation.tasks import REACHER, Task
from deepnrc.data.source import BuildRequest, RawData
from deepnrc.errors import DataError, FileError

__all__ = ["build_scripted", "build_trained", "read_built"]


def build_scripted(path: Path, request: BuildRequest) -> None:
    """Run Reacher with its scripted expert and write the pairs.

    The same request gives a bit-identical file with the same versions of gymnasium, MuJoCo and
    NumPy; a smaller set is the beginning of a larger one with the same seed.

    Raises:
        ArgumentError: gymnasium or MuJoCo is not installed.
        FileError: The file cannot be written.
    """
    made_by = f"a scripted expert in {REACHER.environment}, played on this machine"
    facts: dict[str, object] = {
        "expert": "scripted, from the observation only: inverse kinematics to the nearer elbow "
        "pose, then a proportional-derivative law per joint, clipped to [-1, 1]",
        "observation": "10 numbers; the 11 of Reacher-v4 and older include fingertip minus target "
        "along z, which is always 0 and was removed in Reacher-v5",
    }
    _write_pairs(REACHER, path, request, expert_action, made_by, facts)


def build_trained(
    task: Task, path: Path, request: BuildRequest, *, recipe: Recipe | None = None
) -> None:
    """Run a task with its trained expert and write the pairs; trains the expert where none is kept.

    The expert is kept in the cache folder and serves sets of any size. A smaller set is the
    beginning of a larger one with the same seed. The same request gives a bit-identical file on
    the same machine and versions, unless the time limit cut the training short; the provenance
    says whether it did.

    Args:
        task: Swimmer or Hopper.
        path: The file to write.
        request: Samples, seed, and the time limit of the training.
        recipe: Replaces the task's own recipe.

    Raises:
        ArgumentError: gymnasium, MuJoCo or stable-baselines3 is not installed.
        DataError: The expert reaches less than the recipe's return, and the request is not for a
            weak set.
        FileError: A file cannot be written.
    """
    teacher = load_or_train(
        task, seed=request.seed, seconds=request.seconds, say=request.say, recipe=recipe
    )
    facts = teacher.facts
    weak = weakness(task, facts, recipe)
    if weak and not request.weak:
        raise DataError(
            f"{weak}, or store the set under another name with `deepnrc data build {task.name} "
            "--weak`"
        )
    made_by = (
        f"an expert in {task.environment}, trained with PPO on this machine "
        f"(mean return {facts['mean_return']:.0f})"
    )
    provenance = {
        "expert": facts["algorithm"],
        "expert_returns": f"{facts['mean_return']:.1f} on average over "
        f"{facts['judged_episodes']} other episodes, from {facts['lowest_return']:.1f} to "
        f"{facts['highest_return']:.1f}",
        "reproducible": facts["reproducible"],
        "training": facts,
    }
    _write_pairs(task, path, request, teacher.policy, made_by, provenance)


def _write_pairs(
    task: Task, path: Path, request: BuildRequest, act: Act, made_by: str, facts: dict[str, object]
) -> None:
    """Run whole episodes and write their first ``request.samples`` pairs."""
    played = play(task.environment, act, seed=request.seed, samples=request.samples)
    provenance = {
        "data": task.name,
        "made_from": f"{request.samples} (state, action) pairs of {made_by}",
        "environment": task.environment,
        **played.versions,
        "seed": request.seed,
        "samples": request.samples,
        "episodes": len(played.returns),
        "mean_return": float(played.returns.mean()),
        **facts,
    }
    rows = slice(request.samples)
    save_tensors(
        path,
        {
            "inputs": torch.from_numpy(played.states[rows].copy()),
            "targets": torch.from_numpy(played.actions[rows].copy()),
        },
        {
            "input_names": task.observation_names,
            "target_names": task.action_names,
            "provenance": provenance,
        },
    )


def read_built(task: Task, path: Path, *, weak: bool = False) -> RawData:
    """Read what `build_scripted` or `build_trained` wrote.

    Args:
        task: That it was built for.
        path: The file.
        weak: Whether the expert may be weaker than its recipe asks.

    Raises:
        FileError: The file is missing, damaged or altered, or its expert is too weak; the message
            says how to build it.
    """
    rebuild = rebuild_command(task.name, path)
    tensors, description = load_tensors(path, rebuild=rebuild)
    training = description["provenance"].get("training")
    why = weakness(task, training) if training and not weak else ""
    if why:
        raise FileError(f"{path}: {why}; build it again with `{rebuild} --again`")
    return RawData(
        inputs=tensors["inputs"],
        targets=tensors["targets"],
        input_names=tuple(description["input_names"]),
        target_names=tuple(description["target_names"]),
        provenance=description["provenance"],
    )
