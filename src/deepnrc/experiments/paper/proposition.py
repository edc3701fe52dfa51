"""Proposition 1 of [RU26]: do NRC1 and NRC2 bound what the targets leave unexplained? How tight?"""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import curve, some_runs
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelFigure, median

__all__ = ["GROUPS", "TITLE", "chosen_runs", "make"]

TITLE = "Proposition 1: ‖H − P_Y H‖/‖H‖ and its bound √NRC1 + √(1 − CKA), by layer"
GROUPS = ("swimmer", "hopper", "reacher", "sgemm-decay", "synthetic-decay", "synthetic-wide")


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One panel a data set: both sides; the bound is vacuous above 1."""
    chosen = chosen_runs(groups)
    panels = [_panel(runs) for runs in chosen]
    return PanelFigure(
        "prop1",
        TITLE,
        (tuple(panels[:3]), tuple(panels[3:])),
        tuple(runs.made_from for runs in chosen),
        tuple(_sentence(runs) for runs in chosen),
    )


def chosen_runs(groups: Mapping[str, GroupRuns]) -> list[GroupRuns]:
    """The groups, of swept ones those under the largest weight decay."""
    return [
        groups[name].where(weight_decay=0.001) if name.endswith("decay") else groups[name]
        for name in GROUPS
    ]


def _panel(runs: GroupRuns) -> Panel:
    each = some_runs(runs)
    left = curve(each, lambda layer: layer.bound_residual, "left side")
    right = curve(each, lambda layer: layer.bound, "bound")
    return Panel(
        title=runs.title,
        dataset=runs.dataset,
        quantity="share of the features' norm",
        curves=(left, Curve(right.label, right.x, right.values, "reference")),
    )


def _sentence(runs: GroupRuns) -> str:
    checks = [check for run in runs for check in run.diagnosis.bounds if check.holds is not None]
    held = sum(check.holds is True for check in checks)
    useful = [check for check in checks if check.bound < 1.0]
    ratio = median([check.residual / check.bound for check in useful])
    tight = f"left side/bound {ratio:.2f} in the median there" if useful else "so it says nothing"
    return (
        f"{runs.title}: the bound held at {held} of {len(checks)} layers and seeds; it is below 1 "
        f"at {len(useful)}, {tight}."
    )
