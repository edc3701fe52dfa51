"""Beyond the paper: how many layers collapse, over depth, weight decay and width."""

from collections.abc import Mapping

from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.heat_maps import HeatFigure, HeatPanel
from deepnrc.report.panels import median
from deepnrc.support.text import number

__all__ = ["GROUPS", "TITLE", "collapsed", "make"]

TITLE = "Number of collapsed layers, by depth, weight decay and width"
GROUPS = ("depth-decay-width",)


def make(groups: Mapping[str, GroupRuns]) -> HeatFigure:
    """One map a depth: width by weight decay."""
    runs = groups["depth-decay-width"]
    return HeatFigure(
        "collapse-map",
        TITLE,
        "weight decay",
        "width",
        "collapsed layers",
        tuple(_panel(runs.where(depth=depth)) for depth in runs.values("depth")),
        (runs.made_from,),
        tuple(_sentence(runs.where(weight_decay=v), v) for v in runs.values("weight_decay")),
    )


def _panel(runs: GroupRuns) -> HeatPanel:
    decays, widths = runs.values("weight_decay"), runs.values("width")
    return HeatPanel(
        f"{runs.runs[0].member.config.model.depth} weight layers",  # type: ignore[attr-defined]
        "synthetic",
        tuple(decays),
        tuple(float(width) for width in widths),
        {
            (decay, float(width)): {
                run.seed: float(collapsed(run))
                for run in runs.where(weight_decay=decay, width=width)
            }
            for decay in decays
            for width in widths
        },
    )


def collapsed(run: FinishedRun) -> int:
    """How many layers are collapsed at the end, by all four conditions."""
    return len(run.diagnosis.collapsed_layers)


def _sentence(runs: GroupRuns, decay: float) -> str:
    share = [collapsed(run) / len(run.measurement) for run in runs]
    fit = median([run.measurement.model_r2 for run in runs])
    return (
        f"decay {decay:g}: {sum(share) / len(share):.0%} of the layers are collapsed on average "
        f"over {len(share)} runs; R² on training data {number(fit)} in the median."
    )
