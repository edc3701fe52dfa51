"""Peak memory of a measurement at N and at 4N, each in a process of its own.

The batches are made as they are asked for, so the data takes no memory that grows.
"""

import pathlib
import resource
import subprocess
import sys
from collections.abc import Iterator

import torch

from benchmarks.cases import Batch, mlp, targets_of
from deepnrc import measure
from deepnrc.models import MLP


class _Made:
    """A loader that makes its batches as they are asked for."""

    def __init__(self, samples: int, batch: int) -> None:
        self._count, self._batch = samples // batch, batch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(0)
        teacher = MLP(20, 4, width=2, depth=3, generator=generator)
        for _ in range(self._count):
            x = torch.randn(self._batch, 20, generator=generator)
            yield x, targets_of(teacher, x)


def peak_mebibytes(samples: int, *, baseline: bool = False) -> float:
    """Peak resident memory of a fresh process that measures; the plain pass with ``baseline``."""
    command = [sys.executable, "-m", "benchmarks.memory", str(samples), str(int(baseline))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _main() -> None:
    samples, baseline = int(sys.argv[1]), bool(int(sys.argv[2]))
    torch.set_num_threads(1)
    model, loader = mlp(256), _Made(samples, 1024)
    if baseline:
        with torch.no_grad():
            for x, _ in loader:
                model(x)
    else:
        measure(model, loader, progress=False)
    print(_own_peak())


def _own_peak() -> float:
    # ru_maxrss starts from what the parent process held when it forked; VmHWM does not.
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(float(x.split()[1]) / 1024 for x in lines if x.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    _main()
