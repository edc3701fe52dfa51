"""Runs whose process is killed at random moments resume, and end in the same files."""

import random
import subprocess
import sys
import time

import pytest

from helpers import run_contents

RUN = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from deepnrc.training.config import ExperimentConfig, TrainingConfig
from deepnrc.training.runs.run import run_experiment
config = ExperimentConfig(
    name="faults",
    data={"name": "synthetic", "samples": 400},
    model={"width": 16, "depth": 4, "norm": "batch"},
    training=TrainingConfig(epochs=int(sys.argv[2]), lr=0.05, weight_decay=1e-3, batch_size=32),
    measure={"log_spaced": 25},
)
print("starts", flush=True)
start = time.monotonic()
run_experiment(config, Path(sys.argv[1]))
print("took", time.monotonic() - start, flush=True)
"""
EPOCHS = 60


def start(path):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RUN, str(path), str(EPOCHS)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "starts\n"
    return process


def to_the_end(path):
    """Seconds that the run took."""
    with start(path) as process:
        took = process.stdout.read()
    assert process.returncode == 0
    return float(took.split()[1])


def killed(path, after):
    """Whether the process was still running when it was killed."""
    with start(path) as process:
        time.sleep(after)
        process.kill()
        process.wait()
    return process.returncode == -9


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "whole"
    seconds = to_the_end(path)
    assert "checkpoints/epoch-000060.safetensors" in run_contents(path)
    return run_contents(path), seconds


def survives(whole, path, kills, seed):
    expected, seconds = whole
    moments = random.Random(seed)
    # On average each session gets an equal share of the run, so the kills are spread over it.
    spans = [moments.uniform(0.0, 2.0 * seconds / (kills + 1)) for _ in range(kills)]
    hits = sum(killed(path, span) for span in spans)
    assert hits >= kills / 2, "the machine was too fast: most processes had finished"
    to_the_end(path)
    got = run_contents(path)
    assert got.keys() == expected.keys()
    assert [name for name in got if got[name] != expected[name]] == []


def test_killed_at_3_random_moments(whole, tmp_path):
    survives(whole, tmp_path, 3, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_20_random_moments(whole, tmp_path, seed):
    survives(whole, tmp_path, 20, seed)
