"""Members trained by submitit, in processes here that it treats as jobs."""

import os
import signal
import sys
import time

import pytest

from deepnrc.errors import ArgumentError, DeepNRCError
from deepnrc.training.runs.folder import RunFolder, lock_folder
from deepnrc.training.sweeps.executors.slurm import SlurmExecutor
from sweeping import LONG, check_together, holder, job, outcomes, together


def slurm(folder, **options):
    pytest.importorskip("submitit")
    return SlurmExecutor(folder / "submitit", cluster="local", **options)


def test_submitit_runs_members_alone_and_together(tmp_path):
    jobs = [job(tmp_path / "alone", "alone", "seed=2"), together(tmp_path)]
    with slurm(tmp_path, workers=2, options={"timeout_min": 5}) as executor:
        ended = outcomes(executor, jobs)
    assert ended.pop("alone") == ""
    assert RunFolder(tmp_path / "alone" / "alone").measurement(2).is_file()
    check_together(ended, tmp_path)


@pytest.mark.slow
def test_a_submitit_job_that_is_killed_is_named_and_one_left_is_cancelled(tmp_path):
    with slurm(tmp_path) as executor:
        executor.start([job(tmp_path, "killed", LONG), job(tmp_path, "left", LONG)])
        while not all((tmp_path / name / "log.jsonl").exists() for name in ("killed", "left")):
            time.sleep(0.1)
        assert executor.finished() == {}
        os.kill(holder(tmp_path / "killed"), signal.SIGKILL)
        while not (ended := executor.finished()):
            time.sleep(0.1)
        [(_, left)] = executor._jobs
    assert list(ended) == ["killed"]
    assert "has not produced any output" in ended["killed"]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with lock_folder(tmp_path / "left"):
                break
        except DeepNRCError:  # its process still holds the folder
            time.sleep(0.1)
    else:
        pytest.fail("the job that was left still runs")
    while left.state == "RUNNING":  # submitit's own process ends a moment later
        time.sleep(0.1)


def test_submitit_with_nothing_to_do(tmp_path):
    with slurm(tmp_path) as executor:
        executor.start([])
        assert executor.finished() == {}


def test_options_that_submitit_does_not_know_are_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"executor 'slurm': .*no_such_option"):
        slurm(tmp_path, options={"no_such_option": 1})


def test_without_slurm_it_is_said(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArgumentError, match=r"executor 'slurm': .*[Ss]lurm"):
        SlurmExecutor(tmp_path)


def test_without_submitit_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    message = r"the executor 'slurm' needs submitit, .*: run `pip install 'deepnrc\[slurm\]'`"
    with pytest.raises(ArgumentError, match=message):
        SlurmExecutor(tmp_path)
