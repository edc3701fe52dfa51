"""An ensemble is killed at each change of a file; its members resume and end as they would have."""

import json

import pytest

from deepnrc.training.sweeps.together import run_together
from dying import survives
from helpers import run_contents, small_experiment

NAMES = ("a", "b")


def trained(folder, at):
    """Whether an ensemble with ``at`` changes of files to live reached its end."""
    small = {"epochs": 3, "measure": {"epochs": [0, 2]}, "model": {"width": 4, "depth": 2}}
    configs = [small_experiment(seed, **small) for seed in range(2)]

    def train():
        assert run_together(configs, [folder / name for name in NAMES]) == [None, None]

    return survives(train, at)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    assert trained(folder, 10**9)
    return [run_contents(folder / name) for name in NAMES]


def check(folder, whole):
    """Weights, states and measurements bit for bit.

    The losses in the log may differ in their last digits: a member that is one checkpoint behind
    the other catches up alone, and its sums are taken in another order.
    """
    for name, expected in zip(NAMES, whole, strict=True):
        got = run_contents(folder / name)
        assert got.keys() == expected.keys()
        differ = {file for file in got if got[file] != expected[file]}
        assert differ <= {"log.jsonl", "manifest.json"}
        for line, other in zip(*map(entries, (got, expected)), strict=True):
            assert line.keys() == other.keys()
            for key, value in line.items():
                assert value == pytest.approx(other[key], rel=1e-5), key  # float32 sums


def entries(contents):
    return [json.loads(line) for line in contents["log.jsonl"].splitlines()]


@pytest.mark.slow
def test_killed_at_each_change_one_after_the_other(whole, tmp_path):
    at = 1
    while not trained(tmp_path, at):
        at += 1
    assert at > 40
    check(tmp_path, whole)


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_a_change(whole, tmp_path, step):
    for at in range(step, 1000, step):
        if trained(tmp_path / f"at {at}", at):
            break
        assert trained(tmp_path / f"at {at}", 10**9)
        check(tmp_path / f"at {at}", whole)
    assert at > 40
