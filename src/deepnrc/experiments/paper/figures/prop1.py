"""Proposition 1 of [RU26]: do NRC1 and NRC2 bound what the targets leave unexplained? How tight?"""

import math

from deepnrc.experiments.paper.figure import Chosen, Figure, for_each
from deepnrc.experiments.paper.layer_panels import curve
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelGrid, median


def _panels(chosen: Chosen) -> PanelGrid:
    """One panel per data set with both sides of the inequality."""
    panels = [_panel(runs) for runs in chosen]
    return PanelGrid([panels[:3], panels[3:]])


def _panel(runs: GroupRuns) -> Panel:
    each = runs.require()
    return Panel(
        title=runs.title,
        dataset=runs.dataset,
        quantity="share of the features' norm",
        curves=(
            curve(each, lambda layer: layer.bound_residual, "left side"),
            curve(each, lambda layer: layer.bound, "published bound", "reference"),
            curve(each, lambda layer: layer.spectral_bound, "bound that holds", "noise"),
        ),
    )


def _sentence(runs: GroupRuns) -> str:
    checks = [check for run in runs for check in run.diagnosis.bounds if check.holds is not None]
    held = sum(check.holds is True for check in checks)
    ratio = median([check.residual / check.spectral for check in checks if check.spectral > 0.0])
    text = f"{runs.title}: the published bound holds at {held} of {len(checks)} (layer, seed) pairs"
    if math.isnan(ratio):
        return f"{text}."
    return f"{text}; the median of left side/bound that holds is {ratio:.2f}."


FIGURE = Figure(
    name="prop1",
    title="Proposition 1: ‖H − P_Y H‖/‖H‖, its published bound and one that holds, by layer",
    groups=("swimmer", "hopper", "reacher", "sgemm-decay", "synthetic-decay", "synthetic-wide"),
    only={  # the largest weight decay of the paper's sweeps
        "sgemm-decay": {"weight_decay": 0.001},
        "synthetic-decay": {"weight_decay": 0.001},
    },
    content=_panels,
    findings=for_each(_sentence),
    order=120,
)
