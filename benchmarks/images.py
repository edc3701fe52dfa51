"""Read images from disk in shuffled batches: memory, and images per second against simpler ways.

Writes HDF5 files of 200 frames of 88 × 200 × 3 with random content to a temporary folder, reads
every image once in shuffled batches of 128, each way in a process of its own, and removes the
files. 50,000 images take 2.6 GB of disk in the contiguous layout. The files have just been written,
so they are read from the system's file cache if they fit in it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from benchmarks.machine import header, peak_memory
from deepnrc.data import Part
from deepnrc.data.access.shards import ShardImages
from deepnrc.data.sets.driving.carla import HEIGHT, WIDTH, read_carla
from deepnrc.data.sets.driving.drives import FRAMES_PER_FILE, IMAGES, TARGETS

BATCH = 128
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "gzip, an image a chunk": {"chunks": (1, HEIGHT, WIDTH, 3), "compression": "gzip"},
    "gzip, h5py's own chunks": {"compression": "gzip"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layout", choices=LAYOUTS, nargs="+", default=list(LAYOUTS))
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's)")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        way, folder = options.one
        print(json.dumps(one(WAYS[way], Path(folder))))
        return
    print(header("benchmarks.images"))
    for layout in options.layout:
        with tempfile.TemporaryDirectory(dir=options.folder) as top:
            folder = Path(top) / "drives"
            write(folder, options.frames, LAYOUTS[layout])
            size = sum(file.stat().st_size for file in folder.iterdir())
            print(f"\n{layout}: {options.frames:,} images, {size / 2**30:.2f} GiB on disk")
            print(f"  {'way':34s} {'images/s':>18s} {'peak MiB':>9s}")
            report(folder, options.rounds)


def report(folder: Path, rounds: int) -> None:
    """Print a line for each way; they take turns, so that other load slows all of them."""
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, runs in taken.items():
            command = [sys.executable, "-m", "benchmarks.images", "--one", way, str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout))
    for way, runs in taken.items():
        rates = [run["rate"] for run in runs]
        rate = f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
        print(f"  {way:34s} {rate:>18s} {max(run['peak'] for run in runs):9.0f}", flush=True)


def write(folder: Path, frames: int, layout: dict[str, Any]) -> None:
    """Write files of 200 frames of coarse noise, which gzip compresses 11 times."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number, first in enumerate(range(0, frames, FRAMES_PER_FILE)):
        count = min(FRAMES_PER_FILE, frames - first)
        coarse = rng.integers(0, 256, (count, HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
        with h5py.File(folder / f"data_{number:05d}.h5", "x") as file:
            images = coarse.repeat(4, axis=1).repeat(4, axis=2)
            file.create_dataset(IMAGES, data=images, **layout)
            file.create_dataset(TARGETS, data=rng.random((count, 28), dtype=np.float32))


def one(way: Callable[[Path], Iterator[int]], folder: Path) -> dict[str, float]:
    """Images per second and peak MiB of this process, measured for at most a minute."""
    counts = way(folder)
    next(counts)  # opens and checks the files, which is not timed
    seen, started = 0, time.perf_counter()
    for count in counts:
        seen += count
        if time.perf_counter() - started > 60:
            break
    return {"rate": seen / (time.perf_counter() - started), "peak": peak_memory()}


def through_loader(folder: Path) -> Iterator[int]:
    """As training reads them: float32, the next batch in the background."""
    data = read_carla(folder)
    yield 0
    for images, _ in Part(data.inputs, data.targets).loader(BATCH, shuffle=True):
        yield len(images)


def as_bytes(folder: Path) -> Iterator[int]:
    """As uint8, the way they are stored."""
    images = _images(folder)
    yield 0
    for rows in _shuffled(len(images)):
        yield len(images.read(rows))


def plain_decode(folder: Path) -> Iterator[int]:
    """By h5py alone: every file open, one image after another, in the same order."""
    datasets = [h5py.File(path, "r")[IMAGES] for path in sorted(folder.iterdir())]
    yield 0
    for rows in _shuffled(sum(len(dataset) for dataset in datasets)):
        for row in rows.tolist():
            datasets[row // FRAMES_PER_FILE][row % FRAMES_PER_FILE]
        yield len(rows)


def memory_copy(folder: Path) -> Iterator[int]:
    """Copy as many bytes within memory."""
    source = np.ones((BATCH, HEIGHT, WIDTH, 3), dtype=np.uint8)
    target = np.empty_like(source)
    yield 0
    for rows in _shuffled(FRAMES_PER_FILE * len(list(folder.iterdir()))):
        np.copyto(target, source)
        yield len(rows)


WAYS: dict[str, Callable[[Path], Iterator[int]]] = {
    "loader, float32": through_loader,
    "read() alone, uint8": as_bytes,
    "plain h5py decode, all files open": plain_decode,
    "memory copy of the bytes": memory_copy,
}


def _images(folder: Path) -> ShardImages:
    images = read_carla(folder).inputs
    assert isinstance(images, ShardImages)
    return images


def _shuffled(count: int) -> tuple[torch.Tensor, ...]:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0)).split(BATCH)


if __name__ == "__main__":
    main()
