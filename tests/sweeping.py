"""Shared by the tests of sweeps: a small experiment, and an executor in this process."""

from deepnrc.training.config.file import parse_config
from deepnrc.training.sweeps.executors.job import outcomes_by_name
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
