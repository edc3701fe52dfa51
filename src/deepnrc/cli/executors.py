"""The options that choose where runs are trained, and the executor that they describe."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepnrc.errors import ArgumentError

if TYPE_CHECKING:
    from deepnrc.training.sweeps.executors.job import Executor

__all__ = [
    "ExecutorChoice",
    "ExecutorKind",
    "ExecutorOptions",
    "RayAddress",
    "Workers",
    "make_executor",
]


class ExecutorKind(StrEnum):
    """Where runs are trained."""

    local = "local"
    slurm = "slurm"
    ray = "ray"


ExecutorChoice = Annotated[
    ExecutorKind,
    typer.Option(help="Processes on this machine, jobs of SLURM, or tasks of Ray."),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Runs at a time; default: one per core, or the cluster's choice."),
]
RayAddress = Annotated[str | None, typer.Option(help="Of a running Ray cluster, or 'auto'.")]
ExecutorOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="For submitit, such as slurm_partition=gpu, or for ray.remote, such as num_gpus=1.",
    ),
]


def make_executor(
    kind: ExecutorKind,
    folder: Path,
    workers: int | None,
    address: str | None,
    options: Sequence[str],
) -> "Executor":
    """The executor that the options describe, with its own files in the folder of the runs.

    Raises:
        ArgumentError: The options do not go together.
    """
    if address is not None and kind != ExecutorKind.ray:
        raise ArgumentError(f"--address goes with --executor ray, not with {kind}: leave it out")
    if kind == ExecutorKind.slurm:
        from deepnrc.training.sweeps.executors.slurm import SlurmExecutor  # noqa: PLC0415

        return SlurmExecutor(folder / "submitit", workers=workers, options=_parsed(options))
    if kind == ExecutorKind.ray:
        from deepnrc.training.sweeps.executors.ray import RayExecutor  # noqa: PLC0415

        return RayExecutor(address=address, workers=workers, options=_parsed(options))
    if options:
        raise ArgumentError("--option goes with --executor slurm or ray: leave it out")
    from deepnrc.training.sweeps.executors.local import LocalExecutor  # noqa: PLC0415

    return LocalExecutor(folder / "output", workers=workers)


def _parsed(assignments: Sequence[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        if not key or not text:
            raise ArgumentError(
                f"--option {assignment}: expected KEY=VALUE, such as slurm_partition=gpu"
            )
        try:
            options[key] = json.loads(text)  # a number, true, a list, …
        except ValueError:
            options[key] = text
    return options
