"""Beyond the paper: the intrinsic dimension found against the rank that the targets have."""

import math
from collections.abc import Callable, Mapping

from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.heat_maps import HeatFigure, HeatPanel

__all__ = ["GROUPS", "TITLE", "collapsed_dimension", "last_dimension", "make"]

TITLE = "Intrinsic dimension found in the collapsed layers, by true rank and noise"
GROUPS = ("true-rank",)


def make(groups: Mapping[str, GroupRuns]) -> HeatFigure:
    """Found by the 99 % rule in the last collapsed layer, and the same of the last layer always."""
    runs = groups["true-rank"]
    return HeatFigure(
        "true-rank",
        TITLE,
        "true rank of the targets",
        "noise (standard deviation)",
        "intrinsic dimension",
        (
            _panel(runs, "where layers are collapsed", collapsed_dimension),
            _panel(runs, "last layer, collapsed or not", last_dimension),
        ),
        (runs.made_from,),
        tuple(_sentence(runs.where(noise=noise), noise) for noise in runs.values("noise")),
    )


def collapsed_dimension(run: FinishedRun) -> float:
    """The diagnosis' intrinsic dimension; NaN where no layer is collapsed."""
    found = run.diagnosis.intrinsic_dimension
    return float("nan") if found is None else float(found)


def last_dimension(run: FinishedRun) -> float:
    """Directions that hold 99 % of the last layer's feature energy; NaN for constant features."""
    found = run.diagnosis.intrinsic.by_layer[-1][1]
    return float("nan") if found is None else float(found)


def _panel(runs: GroupRuns, title: str, value: Callable[[FinishedRun], float]) -> HeatPanel:
    ranks, noises = runs.values("rank"), runs.values("noise")
    return HeatPanel(
        title,
        "synthetic",
        tuple(float(rank) for rank in ranks),
        tuple(float(noise) for noise in noises),
        {
            (float(rank), float(noise)): {
                run.seed: value(run) for run in runs.where(rank=rank, noise=noise)
            }
            for rank in ranks
            for noise in noises
        },
    )


def _sentence(runs: GroupRuns, noise: float) -> str:
    pairs = [(run.member.config.data.options["rank"], last_dimension(run)) for run in runs]
    right = sum(found == rank for rank, found in pairs)
    off = max((abs(found - rank) for rank, found in pairs if not math.isnan(found)), default=0)
    there = sum(run.diagnosis.intrinsic_dimension is not None for run in runs)
    return (
        f"noise {noise:g}: the last layer shows the true rank in {right} of {len(pairs)} runs, at "
        f"most {off:g} off; layers are collapsed in {there}."
    )
