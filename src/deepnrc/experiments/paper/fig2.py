"""Figure 2 of [RU26]: the four conditions by layer for Swimmer and Hopper."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import collapse_sentence, condition_column
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelFigure

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Deep NRC on imitation data: Swimmer and Hopper"
GROUPS = ("swimmer", "hopper")


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One column a data set."""
    chosen = [groups[name] for name in GROUPS]
    return PanelFigure(
        "fig2",
        TITLE,
        tuple(zip(*(condition_column(runs) for runs in chosen), strict=True)),
        tuple(runs.made_from for runs in chosen),
        tuple(collapse_sentence(runs) for runs in chosen),
    )
