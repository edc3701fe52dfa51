"""Figure 7 of [RU26]: the four conditions by layer for SGEMM."""

from collections.abc import Mapping

from deepnrc.experiments.paper.fig6 import square
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelFigure

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Deep NRC on run times: SGEMM, subspaces of t = 4 dimensions"
GROUPS = ("sgemm-decay",)


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """NRC1 and NRC2 above, NRC3 and NRC4 below, under the weight decay of the paper's Table 2."""
    return square("fig7", TITLE, groups["sgemm-decay"].where(weight_decay=0.001))
