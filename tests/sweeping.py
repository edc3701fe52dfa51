"""Shared by the tests of sweeps: small experiments, an executor in this process, jobs."""

import json
import time
from dataclasses import astuple

from deepnrc.training.config.file import config_text, parse_config
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.log import read_log
from deepnrc.training.sweeps.executors.job import Job, outcomes_by_name
from deepnrc.training.sweeps.sweep import run_sweep
from deepnrc.training.sweeps.worker import run_members
from helpers import small_run

SMALL = small_run(0, 2)


def make(overrides=()):
    return parse_config(SMALL, overrides, source="small.toml", name="small")


class Here:
    """Runs jobs one after another in this process, one at each look."""

    def __init__(self):
        self.jobs, self.ran = [], []

    def start(self, jobs):
        self.jobs = list(jobs)

    def finished(self):
        if not self.jobs:
            return {}
        job = self.jobs.pop(0)
        self.ran.append("+".join(job.names))
        return outcomes_by_name([(job, run_members(job.folders, job.configs))])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def sweep(members, out, **options):
    executor = Here()
    return executor, run_sweep(members, out, executor, interval=0.0, **options)


TWO_EPOCHS = 'name = "small"' + small_run(2)
LONG = "training.epochs=1000000"  # until it is ended
DIVERGES = "training.lr=1e30"


def job(folder, name, *settings):
    config = parse_config(TWO_EPOCHS, settings, source="small", name="small")
    return Job((name,), (str(folder / name),), (config_text(config),))


def one_job(*jobs):
    """Their members as one job."""
    return Job(*(sum(parts, ()) for parts in zip(*map(astuple, jobs), strict=True)))


def holder(folder):
    """The process that holds the folder."""
    return int((folder / ".lock.holder").read_text().split()[1])


def outcomes(executor, jobs, seconds=240):
    """What went wrong with each, by name."""
    executor.start(jobs)
    ended, until = {}, time.monotonic() + seconds
    count = sum(len(one.names) for one in jobs)
    while len(ended) < count:
        assert time.monotonic() < until, f"only {sorted(ended)} ended"
        new = executor.finished()
        assert not ended.keys() & new.keys()
        ended.update(new)
        time.sleep(0.05)
    assert executor.finished() == {}
    return ended


def check_outcomes(ended, folder):
    """A good member and one that diverges."""
    assert ended["good"] == ""
    assert "lower the learning rate (training.lr is 1e+30)" in ended["bad"]
    assert len(read_log(RunFolder(folder / "good").log)) == 2
    assert RunFolder(folder / "good").measurement(2).is_file()


def together(folder):
    """Two good members and between them one that diverges, as one job."""
    return one_job(job(folder, "good"), job(folder, "bad", DIVERGES), job(folder, "well", "seed=1"))


def check_together(ended, folder):
    check_outcomes(ended, folder)
    assert list(ended) == ["good", "bad", "well"]
    assert ended["well"] == ""
    pids = {json.loads(_first_session(folder / name))["process"] for name in ended}
    assert len(pids) == 1


def _first_session(folder):
    return RunFolder(folder).sessions.read_text().splitlines()[0]
