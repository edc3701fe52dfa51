"""Time functions in turn and take ratios of neighbouring runs, so that other load cancels out."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.cases import Batch


@dataclass(frozen=True)
class Ratio:
    """Median, minimum and maximum of the ratios of neighbouring runs."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def plain(model: nn.Module, loader: Iterable[Batch]) -> None:
    """Run inference alone."""
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
    """Time ``base`` and the other functions in turn, after a first round that is not counted.

    Returns:
        Median seconds of ``base``, and for each other function the ratio of its times to those of
        the runs of ``base`` before and after it.
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
