"""Beyond the paper: how many layers collapse, over depth, weight decay and width."""

from collections.abc import Iterator

from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.runs import FinishedRun
from deepnrc.experiments.paper.setting_maps import setting_map
from deepnrc.report.heat_maps import HeatMaps
from deepnrc.report.panels import median
from deepnrc.support.text import number


def _maps(chosen: Chosen) -> HeatMaps:
    """One map per depth: width by weight decay."""
    [runs] = chosen
    panels = [
        setting_map(f"{depth} weight layers", each, "weight_decay", "width", _collapsed)
        for depth, each in runs.by("depth").items()
    ]
    return HeatMaps("weight decay", "width", "collapsed layers", panels)


def _collapsed(run: FinishedRun) -> float:
    """How many layers are collapsed at the end, by all four conditions."""
    return float(len(run.diagnosis.collapsed_layers))


def _findings(chosen: Chosen) -> Iterator[str]:
    [runs] = chosen
    for decay, each in runs.by("weight_decay").items():
        share = [_collapsed(run) / len(run.measurement) for run in each]
        fit = median([run.measurement.model_r2 for run in each])
        yield (
            f"decay {decay:g}: {sum(share) / len(share):.0%} of the layers are collapsed, on "
            f"average over {len(share)} runs; median R² on training data {number(fit)}."
        )


FIGURE = Figure(
    name="collapse-map",
    title="Number of collapsed layers, by depth, weight decay and width",
    groups=("depth-decay-width",),
    content=_maps,
    findings=_findings,
    order=150,
)
