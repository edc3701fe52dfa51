"""Figure 1 of [RU26]: the four conditions by layer in residual networks, UTKFace and Carla2D."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import collapse_sentence, condition_column
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelFigure

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Deep NRC in residual networks: UTKFace and Carla2D"
GROUPS = ("utkface", "carla-decay")


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One column a network; like the paper's, without conv1 and the down-sampling convolutions."""
    chosen = (groups["utkface"], groups["carla-decay"].where(weight_decay=0.005))
    return PanelFigure(
        "fig1",
        TITLE,
        tuple(zip(*(condition_column(runs) for runs in chosen), strict=True)),
        tuple(runs.made_from for runs in chosen),
        tuple(collapse_sentence(runs) for runs in chosen),
    )
