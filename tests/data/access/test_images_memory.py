"""Images stay on disk: what `python -m benchmarks.images` measures at 50,000, at a small size."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]


def peaks(tmp_path, frames, *layouts):
    """Peak MiB by way, from the benchmark's table; and the whole text."""
    command = [sys.executable, "-m", "benchmarks.images", "--frames", str(frames), "--rounds", "1"]
    command += ["--folder", str(tmp_path), "--layout", *layouts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = re.findall(r"^  (\S.*?) +(\d+) \(\d+-\d+\) +(\d+)$", done.stdout, re.MULTILINE)
    assert all(int(rate) > 0 for _, rate, _ in lines)
    assert not list(tmp_path.iterdir())  # the files are removed again
    return {way: int(peak) for way, _, peak in lines}, done.stdout


def test_what_the_benchmark_runs_in_a_process_of_its_own(tmp_path):
    with h5py.File(tmp_path / "data_00000.h5", "x") as file:
        file.create_dataset("rgb", data=np.zeros((150, 88, 200, 3), dtype=np.uint8))
        file.create_dataset("targets", data=np.zeros((150, 28), dtype=np.float32))
    command = [sys.executable, "-m", "benchmarks.images", "--one", "loader, float32", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    run = json.loads(done.stdout)
    assert run["rate"] > 0
    assert 50 < run["peak"] < 2048  # MiB


@pytest.mark.slow
def test_the_benchmark_prints_its_table(tmp_path):
    by_way, text = peaks(tmp_path, 250, "gzip, an image a chunk")
    assert list(by_way) == [
        "loader, float32",
        "read() alone, uint8",
        "plain h5py decode, all files open",
        "memory copy of the bytes",
    ]
    assert "gzip, an image a chunk: 250 images, 0.00 GiB on disk" in text


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    few, _ = peaks(tmp_path, 2_000, "contiguous")
    many, _ = peaks(tmp_path, 20_000, "contiguous")
    # 18,000 further images are 906 MiB. What may grow: the targets (1 MiB), and how far the reader
    # happens to be ahead (one batch, 26 MiB as float32 and 6 as bytes, freed pages included).
    for way in ("loader, float32", "read() alone, uint8"):
        assert many[way] < few[way] + 200
        assert many[way] < 2048  # the goal for 50,000
