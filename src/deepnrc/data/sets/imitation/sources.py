"""What the registry knows of Swimmer, Reacher and Hopper."""

from functools import partial

from deepnrc.data.sets.imitation import tasks
from deepnrc.data.sets.imitation.building import build_scripted, build_trained, read_built
from deepnrc.data.sets.imitation.readers import read_real
from deepnrc.data.source import Download, Source

__all__ = ["HOPPER", "REACHER", "SWIMMER"]

# A fixed commit, so that the file behind the address cannot change.
_MINARI = (
    "https://huggingface.co/datasets/farama-minari/mujoco/resolve/"
    "8e62dc7f7fcb4a19f8f869c65402d4bb60049117"
)


def _source(task: tasks.Task, summary: str, also: str = "") -> Source:
    return Source(
        name=task.name,
        summary=f"{summary} The papers take the first {task.pairs} pairs (samples={task.pairs}).",
        origin=f"Minari mujoco/{task.name}/expert-v0 (https://minari.farama.org); JAT "
        f"mujoco-{task.name} (jat-project/jat-dataset, arXiv 2402.09844){also}; or built here "
        f"with Gymnasium's {task.environment}",
        licence="as its publisher says (see the pages of Minari, D4RL and JAT); built sets: "
        "MuJoCo is Apache-2.0, Gymnasium MIT",
        targets=task.action_names,
        default_samples=task.pairs,
        read_real=partial(read_real, task),
        build=build_scripted if task == tasks.REACHER else partial(build_trained, task),
        read_built=partial(read_built, task),
        downloads=(
            Download(
                url=f"{_MINARI}/{task.name}/expert-v0/data/main_data.hdf5",
                file=f"{task.name}-expert-v0.hdf5",
                sha256=None,
            ),
        ),
        options={}
        if task == tasks.REACHER
        else {
            "weak": "whether a set of a weak expert, of `build --weak`, is enough; by default not"
        },
        extra="imitation",
    )


SWIMMER = _source(
    tasks.SWIMMER, "A swimming snake of three links: 8 observations, 2 torques of an expert."
)
REACHER = _source(
    tasks.REACHER,
    "An arm of two links reaches for a target: 10 observations (11 up to Reacher-v4), 2 torques "
    "of an expert.",
)
HOPPER = _source(
    tasks.HOPPER,
    "A leg hops forward: 11 observations, 3 torques of an expert.",
    also="; D4RL hopper-expert-v2 (arXiv 2004.07219)",
)
