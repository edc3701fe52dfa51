"""Build a set of the imitation tasks on this machine, and read what was built."""

from pathlib import Path

import torch

from deepnrc.data.access.cache import load_tensors, rebuild_command, save_tensors
from deepnrc.data.sets.imitation.experts import expert
from deepnrc.data.sets.imitation.playing import check_at_least, play
from deepnrc.data.sets.imitation.reacher import build_reacher, save_reacher
from deepnrc.data.sets.imitation.tasks import Task
from deepnrc.data.sets.imitation.training import Recipe
from deepnrc.data.source import BuildRequest, RawData

__all__ = ["build_scripted", "build_trained", "read_built"]


def build_scripted(path: Path, request: BuildRequest) -> None:
    """Play Reacher with the scripted expert (`build_reacher`) and write the pairs.

    Raises:
        ArgumentError: if the samples or the seed are too few or too small.
        DeepNRCError: if gymnasium or MuJoCo is not installed.
        FileError: if the file cannot be written.
    """
    save_reacher(build_reacher(request.samples, seed=request.seed), path)


def build_trained(
    task: Task, path: Path, request: BuildRequest, *, recipe: Recipe | None = None
) -> None:
    """Play a task with its trained expert and write the pairs; trains it where none is kept.

    The expert is kept in the cache folder, so another number of samples trains nothing. A set of
    fewer samples is the beginning of a larger one with the same seed. Same request, same bits, on
    the same machine and versions and unless time cut the training (the provenance says so).

    Args:
        task: Swimmer or Hopper.
        path: The file to write.
        request: Samples (at least 1), seed, time bound of the training.
        recipe: Another training than the task's own.

    Raises:
        ArgumentError: if the samples, the seed or the seconds are too few or too small.
        DeepNRCError: if gymnasium, MuJoCo or stable-baselines3 is not installed.
        FileError: if a file cannot be written.
    """
    check_at_least("samples", request.samples, 1)
    teacher = expert(
        task, seed=request.seed, seconds=request.seconds, say=request.say, recipe=recipe
    )
    played = play(task.environment, teacher.policy, seed=request.seed, samples=request.samples)
    rows = slice(request.samples)
    facts = teacher.facts
    provenance = {
        "data": task.name,
        "made_from": f"{request.samples} (state, action) pairs of an expert in "
        f"{task.environment}, trained with PPO on this machine "
        f"(mean return {facts['mean_return']:.0f})",
        "environment": task.environment,
        **played.versions,
        "seed": request.seed,
        "samples": request.samples,
        "episodes": len(played.returns),
        "mean_return": float(played.returns.mean()),
        "expert": facts["algorithm"],
        "expert_returns": f"{facts['mean_return']:.1f} on average over "
        f"{facts['judged_episodes']} other episodes, from {facts['lowest_return']:.1f} to "
        f"{facts['highest_return']:.1f}",
        "reproducible": facts["reproducible"],
        "training": facts,
    }
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


def read_built(task: Task, path: Path) -> RawData:
    """Read what `build_scripted` or `build_trained` wrote.

    Raises:
        FileError: if the file is missing, damaged or altered; the message says how to build it.
    """
    tensors, description = load_tensors(path, rebuild=rebuild_command(task.name, path))
    return RawData(
        inputs=tensors["inputs"],
        targets=tensors["targets"],
        input_names=tuple(description["input_names"]),
        target_names=tuple(description["target_names"]),
        provenance=description["provenance"],
    )
