"""Members trained by jobs of SLURM."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepnrc.errors import ArgumentError
from deepnrc.support.optional import optional_import
from deepnrc.training.sweeps.executors.job import Job, Outcome, outcomes_by_name
from deepnrc.training.sweeps.worker import run_members

__all__ = ["SlurmExecutor"]


class SlurmExecutor:
    """One array of SLURM jobs, submitted through submitit.

    Args:
        folder: For submitit's own files, on the cluster's shared file system.
        workers: Jobs at a time; None leaves it to the cluster.
        options: Of submitit's ``update_parameters``: ``timeout_min``, ``slurm_partition``, ….
        cluster: ``"slurm"``, or submitit's ``"local"`` to try it without a cluster.

    Raises:
        ArgumentError: submitit is not installed, SLURM is not available, or an option is unknown.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int | None = None,
        options: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
    ) -> None:
        submitit = optional_import("submitit", purpose="the executor 'slurm'", extra="slurm")
        parameters: dict[str, Any] = {"name": "deepnrc", **(options or {})}
        if workers is not None:
            parameters["slurm_array_parallelism"] = workers
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self._executor.update_parameters(**parameters)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise ArgumentError(f"executor 'slurm': {error}") from error
        self._jobs: list[tuple[Job, Any]] = []

    def start(self, jobs: Sequence[Job]) -> None:
        """Submit the jobs."""
        if not jobs:
            return
        folders, configs = [job.folders for job in jobs], [job.configs for job in jobs]
        submitted = self._executor.map_array(run_members, folders, configs)
        self._jobs.extend(zip(jobs, submitted, strict=True))

    def finished(self) -> dict[str, str]:
        """The members that ended since the last call: by name what went wrong, or ""."""
        ended = [(job, submitted) for job, submitted in self._jobs if submitted.done()]
        self._jobs = [pair for pair in self._jobs if pair not in ended]
        return outcomes_by_name((job, _outcome(submitted)) for job, submitted in ended)

    def __enter__(self) -> "SlurmExecutor":
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel the jobs that have not ended; their runs can be resumed."""
        for _, submitted in self._jobs:
            submitted.cancel(check=False)


def _outcome(submitted: Any) -> Outcome:
    failure = submitted.exception()
    if failure is not None:
        return f"{type(failure).__name__}: {failure}".strip()
    errors: list[str] = submitted.result()
    return errors
