"""Figure 8 of [RU26]: nonlinear synthetic data, all quantities by layer."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import (
    CONDITIONS,
    collapse_sentence,
    condition_panel,
    curve,
)
from deepnrc.experiments.paper.fig3 import rank_panel
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelFigure

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Nonlinear synthetic data, t = 3, teachers of width r = 10"
GROUPS = ("synthetic-wide",)


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """NRC1, stable rank of the features, CKA; NRC3, stable rank of the weight, NRC4."""
    runs = groups["synthetic-wide"]
    noise, cka, alignment, error = (condition_panel(runs, *metric) for metric in CONDITIONS)
    each = list(runs)
    weight = Panel(
        title="",
        dataset=noise.dataset,
        quantity="stable rank\nof the weight",
        curves=(curve(each, lambda layer: layer.weight_stable_rank, "our runs"),),
        mark=noise.mark,
    )
    return PanelFigure(
        "fig8",
        TITLE,
        ((noise, rank_panel(runs, noise.mark), cka), (alignment, weight, error)),
        (runs.made_from,),
        (collapse_sentence(runs),),
    )
