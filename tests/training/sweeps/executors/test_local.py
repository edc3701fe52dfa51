"""Members trained by processes here; all of them real."""

import os
import signal
import subprocess
import sys
import time

import pytest

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.sweeps.executors.job import Job
from deepnrc.training.sweeps.executors.local import LocalExecutor
from sweeping import (
    DIVERGES,
    LONG,
    check_outcomes,
    check_together,
    job,
    one_job,
    outcomes,
    together,
)


def process(executor, name):
    [found] = [p for job, p in executor._running.items() if job.names[0] == name]
    return found


def running(executor):
    return [job.names[0] for job in executor._running]


def test_local_processes_run_members_and_a_killed_one_is_named(tmp_path):
    jobs = [
        job(tmp_path, "long", LONG),
        job(tmp_path, "good"),
        job(tmp_path, "bad", DIVERGES),
    ]
    with LocalExecutor(tmp_path / "output", workers=2) as executor:
        executor.start(jobs)
        assert running(executor) == ["long", "good"]  # two at a time
        process(executor, "long").send_signal(signal.SIGSTOP)  # it leaves the cores to the others
        ended = {}
        while len(ended) < 2:
            ended.update(executor.finished())
            time.sleep(0.05)
        assert running(executor) == ["long"]
        process(executor, "long").kill()
        process(executor, "long").wait()
        ended.update(executor.finished())
    check_outcomes(ended, tmp_path)
    assert ended["long"].startswith(
        "its process was ended by SIGKILL: the same command resumes where it stopped; what it "
        "printed is in '"
    )
    assert "lower the learning rate" in (tmp_path / "output" / "bad.txt").read_text()


def test_a_local_process_runs_members_together_and_killed_all_are_named(tmp_path):
    with LocalExecutor(tmp_path / "output", workers=1) as executor:
        ended = outcomes(executor, [together(tmp_path)])
        check_together(ended, tmp_path)
        first, second = job(tmp_path, "long", LONG), job(tmp_path, "as long", LONG, "seed=1")
        executor.start([one_job(first, second)])
        process(executor, "long").kill()
        process(executor, "long").wait()
        ended = executor.finished()
        assert list(ended) == ["long", "as long"]
        assert ended["as long"] == ended["long"]
        assert ended["long"].startswith("its process was ended by SIGKILL: the same command resum")


def test_leaving_a_local_executor_ends_its_processes(tmp_path):
    with LocalExecutor(tmp_path / "output", workers=1) as executor:
        executor.start([job(tmp_path, "long", LONG), job(tmp_path, "next")])
        [started] = executor._running.values()
    assert started.poll() is not None
    assert executor.finished() == {}
    assert not (tmp_path / "next").exists()


def test_a_sweep_that_is_killed_leaves_no_process_behind(tmp_path):
    script = """if True:
        import sys, time
        from pathlib import Path
        from deepnrc.training.sweeps.executors.job import Job
        from deepnrc.training.sweeps.executors.local import LocalExecutor
        name, folder, config = sys.argv[1:]
        executor = LocalExecutor(Path(folder) / "output", workers=1)
        executor.start([Job((name,), (f"{folder}/{name}",), (config,))])
        time.sleep(600)
    """
    one = job(tmp_path, "long", LONG)
    command = [sys.executable, "-c", script, "long", str(tmp_path), one.configs[0]]
    with subprocess.Popen(command) as sweep:
        until = time.monotonic() + 120
        while not RunFolder(tmp_path / "long").log.is_file():
            assert time.monotonic() < until, "the member never started"
            time.sleep(0.1)
        sweep.kill()
    until = time.monotonic() + 60
    while True:
        try:
            with lock_folder(tmp_path / "long"):
                break
        except DeepNRCError:
            assert time.monotonic() < until, "the member goes on"
            time.sleep(0.1)


def test_a_local_process_has_its_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    shares = {
        workers: LocalExecutor(tmp_path, workers=workers)._environment["OMP_NUM_THREADS"]
        for workers in (None, 2, 20)
    }
    assert shares == {None: "1", 2: "4", 20: "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # who sets it has the last word
    assert LocalExecutor(tmp_path)._environment["OMP_NUM_THREADS"] == "3"


def test_a_process_that_says_nothing_is_named_by_its_exit_code(tmp_path):
    executor, a = LocalExecutor(tmp_path), Job(("a",), ("",), ("",))
    (tmp_path / "a.txt").write_text(" \n")
    assert executor._outcome(a, 3) == "its process ended with exit code 3"
    (tmp_path / "a.txt").write_text("so far\n7\n")  # no list of outcomes
    assert executor._outcome(a, 3) == "so far\n7"
    (tmp_path / "a.txt").write_text('warning: x\n["", "this\\nand that"]\n')
    assert executor._outcome(a, 1) == ["", "this\nand that"]
    assert executor._outcome(a, 0) == ""


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="workers must be at least 1; got 0"):
        LocalExecutor(tmp_path, workers=0)
