"""Where the members of a sweep run: processes here, SLURM through submitit, or a Ray cluster.

All three get folders and configurations as text, and share the folders' file system with the
caller; whatever else is to know about a member stands in its folder.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.sweeps.member import run_members

__all__ = ["Executor", "Job", "LocalExecutor", "RayExecutor", "SlurmExecutor"]


@dataclass(frozen=True)
class Job:
    """What a worker needs to run a member, or several at once.

    Attributes:
        name: Of the member.
        folder: Of its run.
        config: Its experiment as TOML.
        others: Members that are trained at once with this one, by the same worker.
    """

    name: str
    folder: Path
    config: str
    others: tuple["Job", ...] = ()

    @property
    def names(self) -> list[str]:
        """Of this member and the others."""
        return [job.name for job in (self, *self.others)]

    @property
    def folders(self) -> list[str]:
        """Of their runs."""
        return [str(job.folder) for job in (self, *self.others)]

    @property
    def configs(self) -> list[str]:
        """Their experiments."""
        return [job.config for job in (self, *self.others)]

    def outcomes(self, errors: Sequence[str] | str) -> dict[str, str]:
        """By name, what went wrong with each; a single text is said of all."""
        each = [errors] * len(self.names) if isinstance(errors, str) else errors
        return dict(zip(self.names, each, strict=True))


@runtime_checkable
class Executor(Protocol):
    """Runs jobs somewhere else. Leaving its context stops what is still under way."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Take the jobs; returns at once."""

    def finished(self) -> dict[str, str]:
        """By name, the members that ended since the last call: what went wrong, or ""."""

    def __enter__(self) -> "Executor":
        """Ready for jobs."""

    def __exit__(self, *exception: object) -> None:
        """Stop them."""


class LocalExecutor:
    """A process of its own for each job, so many at a time, on this machine.

    Args:
        output: Folder for what the processes print; made if need be.
        workers: At a time; None is one a core, each with one thread.

    Raises:
        ArgumentError: ``workers`` is below 1.
    """

    def __init__(self, output: Path, *, workers: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._workers = (cores or 1) if workers is None else workers
        if self._workers < 1:
            raise ArgumentError(f"workers must be at least 1; got {workers}")
        # More threads than cores slow one another down many times.
        threads = max(1, (cores or 1) // self._workers)
        self._environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
        self._output = output
        self._waiting: list[Job] = []
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._jobs: dict[str, Job] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Take the jobs; the first begin at once."""
        self._output.mkdir(parents=True, exist_ok=True)
        self._waiting.extend(jobs)
        self._fill()

    def finished(self) -> dict[str, str]:
        """By name, the members that ended since the last call: what went wrong, or ""."""
        ended = {n: p.returncode for n, p in self._running.items() if p.poll() is not None}
        for name in ended:
            _hang_up(self._running.pop(name))
        self._fill()
        return _joined((self._jobs.pop(n), self._outcome(n, code)) for n, code in ended.items())

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            job = self._waiting.pop(0)
            with self._printed(job.name).open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "deepnrc.training.sweeps.member", *job.folders],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                )
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it died at once; its end says why
                process.stdin.write(json.dumps(job.configs).encode() + b"\n")
                process.stdin.flush()  # and stays open: at its end the process ends too
            self._running[job.name], self._jobs[job.name] = process, job

    def _outcome(self, name: str, code: int) -> list[str] | str:
        """What went wrong with each member, or with the process and so with all."""
        if code == 0:
            return ""
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        text = self._printed(name).read_text(encoding="utf-8", errors="replace").strip()
        with contextlib.suppress(ValueError):
            errors = json.loads(text[text.rfind("\n") + 1 :])
            if isinstance(errors, list):  # otherwise it did not come to its end
                return errors
        return text or f"its process ended with exit code {code}"

    def _printed(self, name: str) -> Path:
        return self._output / f"{name}.txt"

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes; their runs can go on later."""
        self._waiting.clear()
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait()
            _hang_up(process)
        self._running.clear()
        self._jobs.clear()


class SlurmExecutor:
    """Jobs of SLURM, through submitit, as one array.

    Args:
        folder: For submitit's own files, on the cluster's shared file system.
        workers: Jobs at a time; None leaves it to the cluster.
        options: Of submitit's ``update_parameters``: ``timeout_min``, ``slurm_partition``, ….
        cluster: ``"slurm"``, or submitit's ``"local"`` for trying it out without a cluster.

    Raises:
        ArgumentError: submitit is not installed, there is no SLURM here, or an unknown option.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int | None = None,
        options: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
    ) -> None:
        try:
            import submitit  # noqa: PLC0415
        except ImportError as error:
            raise _missing("slurm", "submitit") from error
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
        """By name, the members that ended since the last call: what went wrong, or ""."""
        ended = [(job, submitted) for job, submitted in self._jobs if submitted.done()]
        self._jobs = [pair for pair in self._jobs if pair not in ended]
        return _joined((job, _submitit_outcome(submitted)) for job, submitted in ended)

    def __enter__(self) -> "SlurmExecutor":
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel the jobs that are left; their runs can go on later."""
        for _, submitted in self._jobs:
            submitted.cancel(check=False)


class RayExecutor:
    """Tasks of a Ray cluster, one CPU each unless told otherwise.

    Args:
        address: Of the cluster, as of ``ray.init``; None starts one on this machine.
        workers: CPUs of the cluster that is started here; not for one that runs already.
        options: Of ``ray.remote``: ``num_cpus``, ``num_gpus``, ``resources``, ….

    Raises:
        ArgumentError: Ray is not installed, or ``workers`` with ``address``.
        DeepNRCError: The cluster cannot be reached.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        workers: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import ray  # noqa: PLC0415
        except ImportError as error:
            raise _missing("ray", "ray") from error
        if address is not None and workers is not None:
            raise ArgumentError(
                "workers: a Ray cluster that runs already has its own: leave it out"
            )
        if address is not None and address != "auto":
            _check_reachable(address)
        try:
            ray.init(
                address=address, num_cpus=workers, log_to_driver=False, logging_level=logging.ERROR
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _unreachable(address, error) from error
        self._ray = ray
        # What failed is told, not tried again: a run that goes on does so at the next sweep.
        task = ray.remote(**{"num_cpus": 1, "max_retries": 0, **(options or {})})
        self._task = task(run_members)
        self._tasks: dict[Any, Job] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Hand the jobs to the cluster."""
        for job in jobs:
            self._tasks[self._task.remote(job.folders, job.configs)] = job

    def finished(self) -> dict[str, str]:
        """By name, the members that ended since the last call: what went wrong, or ""."""
        if not self._tasks:
            return {}
        ready, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        return _joined((self._tasks.pop(task), self._outcome(task)) for task in ready)

    def _outcome(self, task: Any) -> list[str] | str:
        try:
            errors: list[str] = self._ray.get(task)
        except self._ray.exceptions.RayError as failure:
            return f"{type(failure).__name__}: {failure}".strip()
        return errors

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel the tasks that are left and leave the cluster."""
        for task in self._tasks:
            self._ray.cancel(task, force=True)
        self._ray.shutdown()


def _hang_up(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _submitit_outcome(submitted: Any) -> list[str] | str:
    failure = submitted.exception()
    if failure is not None:
        return f"{type(failure).__name__}: {failure}".strip()
    errors: list[str] = submitted.result()
    return errors


def _joined(ended: Iterable[tuple[Job, list[str] | str]]) -> dict[str, str]:
    return {name: error for job, each in ended for name, error in job.outcomes(each).items()}


def _check_reachable(address: str) -> None:
    """Ray itself goes on trying for minutes where nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=20).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> DeepNRCError:
    return DeepNRCError(
        f"the Ray cluster at '{address}' cannot be reached ({error}): check that it runs, and that "
        "the address is HOST:PORT as `ray start` printed it, or 'auto' on one of its machines"
    )


def _missing(extra: str, package: str) -> ArgumentError:
    return ArgumentError(
        f"executor '{extra}' needs {package}: pip install 'deepnrc[{extra}]', or choose 'local'"
    )
