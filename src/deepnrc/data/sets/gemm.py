"""gemm: measured run times of a matrix multiplication for its blocking parameters.

The counterpart of the SGEMM table for any machine: four runs of the same program differ only by
the other load of the processor, so that the four targets have about one direction, as in SGEMM.
"""

import importlib.metadata
import itertools
import platform
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from deepnrc.data.access.cache import load_tensors, rebuild_command, save_tensors
from deepnrc.data.sets.gemm_kernel import Kernel, compile_kernel
from deepnrc.data.source import BuildRequest, RawData, Source
from deepnrc.errors import ArgumentError

__all__ = ["GEMM", "GRID", "build_gemm", "measure_run_times", "read_gemm"]

SIZE = 192
"""Rows and columns of the matrices, float32; not a power of 2, where cache lines would collide."""

GRID = {
    "tile_m": (8, 16, 32, 64, 128),
    "tile_n": (8, 16, 32, 64, 128),
    "tile_k": (8, 16, 32, 64, 128),
    "unroll": (1, 2, 4, 8),
    "k_outermost": (0, 1),
    "m_before_n": (0, 1),
    "pack_a": (0, 1),
    "pack_b": (0, 1),
}
RUNS = 4
TARGETS = tuple(f"run{run} (ms)" for run in range(1, RUNS + 1))


def build_gemm(path: Path, request: BuildRequest) -> None:
    """Time a random choice of the grid and store it; minutes for thousands of configurations.

    The seed determines which configurations are timed, the numbers in the matrices and the order of
    the runs. The run times are measurements: they differ each time, on the same machine too.

    Args:
        path: The file to write.
        request: At most as many rows as the grid has, 8000.

    Raises:
        ArgumentError: The grid has fewer rows than requested, or numba is not installed.
        FileError: The file cannot be written.
    """
    grid = np.array(list(itertools.product(*GRID.values())), dtype=np.int64)
    if request.samples > len(grid):
        raise ArgumentError(
            f"samples must be at most {len(grid)}, the number of configurations in the grid; got "
            f"{request.samples}"
        )
    rng = np.random.default_rng(request.seed)
    chosen = grid[rng.permutation(len(grid))[: request.samples]]
    request.say("gemm: compiling the kernel")
    kernel = compile_kernel()
    request.say(f"gemm: timing {len(chosen)} configurations, {RUNS} runs each in random order")
    times = measure_run_times(kernel, chosen, rng)
    processor = _processor()
    provenance = {
        "data": "gemm",
        "made_from": f"run times measured on {processor}: {SIZE} × {SIZE} float32 matrix "
        f"multiplication, {len(chosen)} of {len(grid)} blockings, {RUNS} runs each, seed "
        f"{request.seed}",
        "processor": processor,
        "numba": importlib.metadata.version("numba"),
        "numpy": np.__version__,
        "clock": "processor time of the thread: waiting for a core that others hold not counted",
        "seed": request.seed,
        "reproducible": "which blockings and in what order; the times are measurements",
    }
    tensors = {"inputs": torch.from_numpy(chosen), "targets": torch.from_numpy(times)}
    save_tensors(path, tensors, provenance)


def measure_run_times(
    kernel: Kernel, configurations: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Time each configuration four times; each run goes through all of them in a random order.

    So whatever slows the machine for a while affects different configurations in every run.

    Args:
        kernel: From `compile_kernel`.
        configurations: One per row, with the columns of `GRID`.
        rng: For the matrices and the orders.

    Returns:
        Configurations × 4, in ms of processor time.
    """
    a, b = (rng.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    c = np.zeros_like(a)
    times = np.zeros((len(configurations), RUNS))
    kernel(a, b, c, 8, 8, 8, 1, 0, 0, 0, 0)  # the first call compiles and is not timed
    for run in range(RUNS):
        for row in rng.permutation(len(configurations)):
            configuration = configurations[row].tolist()
            c.fill(0.0)
            start = time.thread_time_ns()
            kernel(a, b, c, *configuration)
            times[row, run] = (time.thread_time_ns() - start) / 1e6
    return times


def read_gemm(path: Path) -> RawData:
    """Read what `build_gemm` wrote.

    Raises:
        FileError: The file is missing, damaged or altered.
    """
    tensors, provenance = load_tensors(path, rebuild=rebuild_command("gemm", path))
    return RawData(
        inputs=tensors["inputs"].double(),
        targets=tensors["targets"],
        input_names=tuple(GRID),
        target_names=TARGETS,
        provenance=provenance,
    )


def _processor() -> str:
    """The processor's model as Linux names it, or its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


GEMM = Source(
    name="gemm",
    summary="Run times of a blocked matrix multiplication measured here, 4 runs each",
    origin="measured on this machine; similar to SGEMM (UCI 440)",
    licence="none needed: every number is measured here",
    targets=TARGETS,
    default_samples=5000,
    build=build_gemm,
    read_built=read_gemm,
    extra="gemm",
)
