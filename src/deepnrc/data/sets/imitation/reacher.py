"""Imitation data: what a scripted expert sees and does in MuJoCo's Reacher.

The expert (`deepnrc.data.sets.imitation.reacher_expert`) takes the place of the trained policies
behind the published imitation sets: it needs no download, and its quality is a number that
`expert_returns` measures again at any time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from deepnrc.data.access.cache import build_command, data_folder, load_tensors, save_tensors
from deepnrc.data.sets.imitation.playing import check_at_least, play
from deepnrc.data.sets.imitation.reacher_expert import expert_action
from deepnrc.data.sets.imitation.tasks import REACHER

__all__ = [
    "ImitationData",
    "build_reacher",
    "expert_returns",
    "load_reacher",
    "reacher_path",
    "save_reacher",
]

EPISODE_STEPS = 50  # gymnasium's own limit; Reacher never ends earlier


@dataclass(frozen=True, eq=False)
class ImitationData:
    """(State, action) pairs of an expert, in the order in which they were played.

    Attributes:
        inputs: The states, float32.
        targets: The actions that were applied, float32.
        input_names: One per column of `inputs`.
        target_names: One per column of `targets`.
        provenance: Where the pairs come from: environment, versions, seed, counts, the expert and
            its mean return. Only what JSON can hold.
    """

    inputs: Float[Tensor, "samples d"]
    targets: Float[Tensor, "samples t"]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    provenance: dict[str, object]


def build_reacher(samples: int, *, seed: int = 0) -> ImitationData:
    """Play Reacher with the scripted expert and keep what it saw and did.

    The same `samples` and `seed` give the same bits with the same versions of gymnasium, MuJoCo
    and NumPy. A smaller set is the beginning of a larger one with the same seed.

    Args:
        samples: Number of pairs, at least 1; 50 make an episode.
        seed: At least 0; fixes the starting pose and the target of every episode.

    Returns:
        Inputs (samples, 10) and targets (samples, 2), each target in [-1, 1], episode after
        episode. The last episode is cut where the pairs suffice, but played to its end for the
        ``mean_return`` in the provenance.

    Raises:
        ArgumentError: if `samples` or `seed` is too small.
        DeepNRCError: if gymnasium or MuJoCo is not installed.
    """
    check_at_least("samples", samples, 1)
    played = play(REACHER.environment, expert_action, seed=seed, samples=samples)
    episodes = len(played.returns)
    provenance: dict[str, object] = {
        "data": REACHER.name,
        "made_from": f"{samples} (state, action) pairs of a scripted expert in "
        f"{REACHER.environment}, played on this machine",
        "environment": REACHER.environment,
        **played.versions,
        "seed": seed,
        "samples": samples,
        "episodes": episodes,
        "mean_return": float(played.returns.mean()),
        "expert": "scripted, from the observation only: inverse kinematics to the nearer elbow "
        "pose, then a proportional-derivative law per joint, clipped to [-1, 1]",
        "observation": "10 numbers; the 11 of Reacher-v4 and older include fingertip minus target "
        "along z, which is always 0 and was removed in Reacher-v5",
    }
    return ImitationData(
        inputs=torch.from_numpy(played.states[:samples].copy()),
        targets=torch.from_numpy(played.actions[:samples].copy()),
        input_names=REACHER.observation_names,
        target_names=REACHER.action_names,
        provenance=provenance,
    )


def expert_returns(episodes: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """How well the expert plays: the sum of rewards of each episode (0 is the best thinkable).

    The reward of a step is minus the distance from fingertip to target in m, minus the squared
    norm of the action. The episodes are those that `build_reacher` plays with the same seed.

    Args:
        episodes: At least 1.
        seed: At least 0.

    Returns:
        (episodes,), each below 0; about -3.6 on average.

    Raises:
        ArgumentError: if `episodes` or `seed` is too small.
        DeepNRCError: if gymnasium or MuJoCo is not installed.
    """
    check_at_least("episodes", episodes, 1)
    return play(REACHER.environment, expert_action, seed=seed, episodes=episodes).returns


def reacher_path(*, samples: int = 1000, seed: int = 0) -> Path:
    """The file in the cache folder that holds the set of this size and seed."""
    return data_folder() / f"reacher-samples{samples}-seed{seed}.safetensors"


def save_reacher(data: ImitationData, path: Path | None = None) -> Path:
    """Write a built set as one safetensors file, all of it or nothing.

    Args:
        data: What `build_reacher` gave.
        path: The file; by default its place in the cache folder, from samples and seed.

    Returns:
        The file written.

    Raises:
        FileError: if the file cannot be written.
    """
    if path is None:
        seed = cast(int, data.provenance["seed"])
        path = reacher_path(samples=len(data.inputs), seed=seed)
    description = {
        "input_names": data.input_names,
        "target_names": data.target_names,
        "provenance": data.provenance,
    }
    save_tensors(path, {"inputs": data.inputs, "targets": data.targets}, description)
    return path


def load_reacher(path: Path | None = None, *, samples: int = 1000, seed: int = 0) -> ImitationData:
    """Read a set that was built before; nothing is played.

    Args:
        path: The file; by default the cached one of `samples` and `seed`.
        samples: Which cached set, by its size; with `path`, only named in the error message.
        seed: Which cached set, by its seed; with `path`, only named in the error message.

    Returns:
        The set as it was saved, bit for bit.

    Raises:
        FileError: if the file is missing, damaged or altered; the message says how to build it.
    """
    rebuild = build_command("reacher", samples, seed)
    path = reacher_path(samples=samples, seed=seed) if path is None else path
    tensors, description = load_tensors(path, rebuild=rebuild)
    # load_tensors has checked the file's digest, so what save_reacher wrote is what is here.
    return ImitationData(
        inputs=tensors["inputs"],
        targets=tensors["targets"],
        input_names=tuple(description["input_names"]),
        target_names=tuple(description["target_names"]),
        provenance=description["provenance"],
    )
