"""Peak memory of a measurement in a fresh process.

The loader makes each batch when it is asked for, so the data do not add memory that grows with N.
"""

import subprocess
import sys
from collections.abc import Iterator

import torch

from benchmarks.cases import Batch, mlp, targets_of
from benchmarks.machine import peak_memory
from deepnrc import measure
from deepnrc.models import MLP


class _Made:
    """A loader that makes each batch when it is asked for."""

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
    """Peak MiB of a fresh process that measures, or that only infers with ``baseline``."""
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
    print(peak_memory())


if __name__ == "__main__":
    _main()
