"""Small runs for the campaign, and whether a folder holds what an undisturbed run would."""

import shutil
from pathlib import Path

from deepnrc.training.runs.run import RunEvents, run_experiment
from helpers import run_contents, small_experiment

__all__ = ["config", "different", "finished", "stopped", "train"]


class _StoppedError(Exception):
    pass


def config(seed=0):
    return small_experiment(
        seed, epochs=3, measure={"epochs": [0, 2]}, model={"width": 4, "depth": 2}
    )


def train(path, seed=0, data=None):
    run_experiment(config(seed), path, data=data)


def finished(path, seed=0):
    train(path, seed)
    return path


def stopped(path):
    """A run whose last epoch was broken off."""

    def stop(entry):
        if entry["epoch"] == 3:
            raise _StoppedError

    try:
        run_experiment(config(), path, events=RunEvents(on_epoch=stop))
    except _StoppedError:
        return path
    raise AssertionError("it was not stopped")


def different(path: Path, expected: dict[str, bytes]) -> list[str]:
    """Names of the files that are not those of an undisturbed run, or are lacking."""
    got = run_contents(path)
    return sorted(n for n in got.keys() | expected.keys() if got.get(n) != expected.get(n))


def copied(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))
