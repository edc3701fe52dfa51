"""Figure 6 of [RU26]: the four conditions by layer for Reacher."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import collapse_sentence, condition_column
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelFigure

__all__ = ["GROUPS", "TITLE", "make", "square"]

TITLE = "Deep NRC on imitation data: Reacher"
GROUPS = ("reacher",)


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """NRC1 and NRC2 above, NRC3 and NRC4 below."""
    runs = groups["reacher"]
    return square("fig6", TITLE, runs)


def square(name: str, title: str, runs: GroupRuns) -> PanelFigure:
    """The four conditions of one group in a square."""
    one, two, three, four = condition_column(runs)
    return PanelFigure(
        name, title, ((one, two), (three, four)), (runs.made_from,), (collapse_sentence(runs),)
    )
