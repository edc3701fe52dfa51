"""A heat map of a number over two swept settings."""

from collections.abc import Callable

from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.heat_maps import HeatPanel

__all__ = ["setting_map"]


def setting_map(
    title: str, runs: GroupRuns, x: str, y: str, value: Callable[[FinishedRun], float]
) -> HeatPanel:
    """The number of each run by the values of two settings of numbers."""
    return HeatPanel(
        title,
        "synthetic",
        tuple(float(value) for value in runs.values(x)),
        tuple(float(value) for value in runs.values(y)),
        {
            (float(here), float(there)): {run.seed: value(run) for run in each}
            for here, row in runs.by(x).items()
            for there, each in row.by(y).items()
        },
    )
