"""Members trained by processes on this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from deepnrc.errors import ArgumentError
from deepnrc.storage.atomic import make_folder, open_plain, write_errors
from deepnrc.training.sweeps.executors.job import Job, Outcome, outcomes_by_name

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """One process per job on this machine, a limited number at a time.

    Args:
        output: Folder for what the processes print; made if it does not exist.
        workers: Processes at a time; None is one per core, each with one thread.

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
        self._running: dict[Job, subprocess.Popen[bytes]] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Accept jobs; the first ones start at once."""
        make_folder(self._output)
        self._waiting.extend(jobs)
        self._start_waiting()

    def finished(self) -> dict[str, str]:
        """The members that ended since the last call: by name what went wrong, or ""."""
        ended = {job: p.returncode for job, p in self._running.items() if p.poll() is not None}
        for job in ended:
            _close_input(self._running.pop(job))
        self._start_waiting()
        return outcomes_by_name((job, self._outcome(job, code)) for job, code in ended.items())

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            job = self._waiting.pop(0)
            with _emptied(self._printed(job)) as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "deepnrc.training.sweeps.worker", *job.folders],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                )
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code says why
                process.stdin.write(json.dumps(job.configs).encode() + b"\n")
                process.stdin.flush()  # and stays open: when it is closed, the process ends too
            self._running[job] = process

    def _outcome(self, job: Job, code: int) -> Outcome:
        if code == 0:
            return ""
        if code < 0:
            how = f"its process was ended by {_signal_name(-code)}"
            again = "the same command resumes where it stopped"
            return f"{how}: {again}; what it printed is in '{self._printed(job)}'"
        text = self._printed(job).read_text(encoding="utf-8", errors="replace").strip()
        with contextlib.suppress(ValueError):
            errors = json.loads(text[text.rfind("\n") + 1 :])
            if isinstance(errors, list):  # otherwise the worker was cut off
                return errors
        return text or f"its process ended with exit code {code}"

    def _printed(self, job: Job) -> Path:
        return self._output / f"{job.names[0]}.txt"

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes; their runs can be resumed."""
        self._waiting.clear()
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait()
            _close_input(process)
        self._running.clear()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # such as a real-time signal
        return f"signal {number}"


def _emptied(path: Path) -> IO[bytes]:
    with write_errors(path):
        return os.fdopen(open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb")


def _close_input(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
