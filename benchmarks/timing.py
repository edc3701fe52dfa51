"""Times side by side: round robin, and ratios taken within a round, so a busy machine cancels."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.cases import Batch


@dataclass(frozen=True)
class Ratio:
    """Median, least and greatest of the ratios of neighbouring runs."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def plain(model: nn.Module, loader: Iterable[Batch]) -> None:
    """Inference alone."""
    with torch.no_grad():
        for x, _ in loader:
            model(x)


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleaved(
    base: Callable[[], object], others: Mapping[str, Callable[[], object]], *, rounds: int
) -> tuple[float, dict[str, Ratio]]:
    """Median seconds of ``base``, and each other's ratio to the two runs of it around that one.

    A first round warms up and is not counted.
    """
    base_times: list[float] = []
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for number in range(rounds + 1):
        before = seconds(base)
        for name, function in others.items():
            spent = seconds(function)
            after = seconds(base)
            if number:
                ratios[name].append(spent / ((before + after) / 2))
                base_times.append(after)
            before = after
    return statistics.median(base_times), {
        name: Ratio(statistics.median(values), min(values), max(values))
        for name, values in ratios.items()
    }
