"""A run is killed at each change of a file, while writing and while recovering; nothing is lost."""

import pytest

from deepnrc.training.runs.run import run_experiment
from dying import survives
from helpers import run_contents, small_experiment

SMALL = {"epochs": 3, "measure": {"epochs": [0, 2]}, "model": {"width": 4, "depth": 2}}


def config(**changes):
    return small_experiment(**{**SMALL, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("killed") / "whole"
    run_experiment(config(), path)
    return run_contents(path)


def trained(path, at):
    """Whether a run with ``at`` changes of files to live reached its end."""
    return survives(lambda: run_experiment(config(), path), at)


def check(path, whole):
    got = run_contents(path)
    assert got.keys() == whole.keys()  # no drafts either
    assert [name for name in got if got[name] != whole[name]] == []


def test_killed_at_each_change_one_after_the_other(whole, tmp_path):
    """Each process lives one change longer than the one before, so recovering is killed too."""
    at = 1
    while not trained(tmp_path / "run", at):
        at += 1
    assert at > 20
    check(tmp_path / "run", whole)


def test_killed_at_each_seventh_change(whole, tmp_path):
    kills = 0
    for at in range(1, 1000, 7):
        if trained(tmp_path / f"at {at}", at):
            break
        assert trained(tmp_path / f"at {at}", 10**9)
        check(tmp_path / f"at {at}", whole)
        kills += 1
    assert kills > 10
