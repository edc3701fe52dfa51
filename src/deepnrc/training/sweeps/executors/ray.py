"""Members trained by tasks of a Ray cluster."""

import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.support.optional import optional_import
from deepnrc.training.sweeps.executors.job import Job, Outcome, outcomes_by_name
from deepnrc.training.sweeps.worker import run_members

__all__ = ["RayExecutor"]


class RayExecutor:
    """Tasks of a Ray cluster, each with one CPU unless the options say otherwise.

    Args:
        address: Of the cluster, as for ``ray.init``; None starts one on this machine.
        workers: CPUs of the cluster that is started; not for a running one.
        options: Of ``ray.remote``: ``num_cpus``, ``num_gpus``, ``resources``, ….

    Raises:
        ArgumentError: Ray is not installed, or ``workers`` is given with ``address``.
        DeepNRCError: The cluster cannot be reached.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        workers: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        ray = optional_import("ray", purpose="the executor 'ray'", extra="ray")
        if address is not None and workers is not None:
            raise ArgumentError("workers: a running Ray cluster has its own: leave it out")
        if address is not None and address != "auto":
            _check_reachable(address)
        try:
            ray.init(
                address=address, num_cpus=workers, log_to_driver=False, logging_level=logging.ERROR
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _unreachable(address, error) from error
        self._ray = ray
        # A task that fails is reported, not repeated: the next sweep resumes its run.
        task = ray.remote(**{"num_cpus": 1, "max_retries": 0, **(options or {})})
        self._task = task(run_members)
        self._tasks: dict[Any, Job] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Send the jobs to the cluster."""
        for job in jobs:
            self._tasks[self._task.remote(job.folders, job.configs)] = job

    def finished(self) -> dict[str, str]:
        """The members that ended since the last call: by name what went wrong, or ""."""
        if not self._tasks:
            return {}
        ready, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        return outcomes_by_name((self._tasks.pop(task), self._outcome(task)) for task in ready)

    def _outcome(self, task: Any) -> Outcome:
        try:
            errors: list[str] = self._ray.get(task)
        except self._ray.exceptions.RayError as failure:
            return f"{type(failure).__name__}: {failure}".strip()
        return errors

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel the tasks that have not ended, and disconnect from the cluster."""
        for task in self._tasks:
            self._ray.cancel(task, force=True)
        self._ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself keeps trying for minutes where nothing listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=20).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> DeepNRCError:
    return DeepNRCError(
        f"the Ray cluster at '{address}' cannot be reached ({error}): check that it is running, "
        "and that the address is HOST:PORT as `ray start` printed it, or 'auto' on one of its "
        "machines"
    )
