"""Figure 9 of [RU26]: what weight decay does on SGEMM."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import level_panel
from deepnrc.experiments.paper.fig4 import decay_sentences
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelFigure

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Weight decay: SGEMM"
GROUPS = ("sgemm-decay",)


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """NRC1, NRC3 and the stable rank of the weight by layer, a curve for each weight decay."""
    runs = groups["sgemm-decay"]
    metrics = (
        ("noise_component", "NRC1\nnoise component", "log"),
        ("feature_weight_alignment", "NRC3\nfeature–weight alignment", "unit"),
        ("weight_stable_rank", "stable rank\nof the weight", "linear"),
    )
    panels = tuple(level_panel(runs, "weight_decay", *metric) for metric in metrics)
    return PanelFigure("fig9", TITLE, (panels,), (runs.made_from,), decay_sentences(runs))
