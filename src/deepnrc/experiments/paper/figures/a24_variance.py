"""[A24]: the share of the last features' variance along each principal component."""

import math
from collections.abc import Iterator

from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.last_layer import last_record
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelGrid, median
from deepnrc.support.text import number

_COMPONENTS = 8  # that are shown


def _panels(chosen: Chosen) -> PanelGrid:
    """One panel per data set, a curve for each weight decay."""
    [runs] = chosen
    return PanelGrid([[_panel(v, each) for v, each in runs.by("variant").items()]])


def _panel(variant: str, runs: GroupRuns) -> Panel:
    x = tuple(float(k) for k in range(1, _COMPONENTS + 1))
    curves = tuple(
        Curve(f"decay {decay:g}", x, {run.seed: _ratios(run) for run in each}, "level")
        for decay, each in runs.by("weight_decay").items()
        if len(each)
    )
    t = len(last_record(runs.require()[0].measurement).gram)
    return Panel(
        variant,
        variant,
        "share of the variance",
        curves,
        "principal component",
        "unit",
        mark=(float(t), "target dimension t"),
    )


def _ratios(run: FinishedRun) -> list[float]:
    ratios = list(last_record(run.measurement).explained_variance_ratios)
    return (ratios + [math.nan] * _COMPONENTS)[:_COMPONENTS]


def _held(run: FinishedRun) -> float:
    """The share of the variance in the first t components."""
    last = last_record(run.measurement)
    ratios = last.explained_variance_ratios
    return sum(ratios[: len(last.gram)]) if ratios else math.nan


def _findings(chosen: Chosen) -> Iterator[str]:
    [runs] = chosen
    for variant, each in runs.by("variant").items():
        for decay, level in each.by("weight_decay").items():
            yield (
                f"{variant}, decay {decay:g}: the first t components hold "
                f"{number(median([_held(run) for run in level]))} of the variance (median)."
            )


FIGURE = Figure(
    name="a24-variance",
    title="Share of the last features' variance along each principal component",
    groups=("last-layer",),
    content=_panels,
    findings=_findings,
    order=220,
)
