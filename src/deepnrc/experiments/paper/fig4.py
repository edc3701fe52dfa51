"""Figure 4 of [RU26]: what weight decay does to the conditions by layer."""

from collections.abc import Mapping

from deepnrc.experiments.paper.by_layer import collapse_sentence, level_panel
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelFigure

__all__ = ["GROUPS", "TITLE", "decay_sentences", "make"]

TITLE = "Weight decay: Carla2D (above) and synthetic data (below)"
GROUPS = ("carla-decay", "synthetic-decay")

_NOISE = ("noise_component", "NRC1\nnoise component", "log")
_ALIGNMENT = ("feature_weight_alignment", "NRC3\nfeature–weight alignment", "unit")
_WEIGHT_RANK = ("weight_stable_rank", "stable rank\nof the weight", "linear")
_CKA = ("signal_target_cka", "NRC2\nCKA with targets", "unit")


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One row a data set, a curve for each weight decay."""
    rows = []
    for name, third in (("carla-decay", _WEIGHT_RANK), ("synthetic-decay", _CKA)):
        runs = groups[name]
        rows.append(
            tuple(
                level_panel(runs, "weight_decay", *metric, title=runs.title if first else "")
                for first, metric in ((True, _NOISE), (False, _ALIGNMENT), (False, third))
            )
        )
    return PanelFigure(
        "fig4",
        TITLE,
        tuple(rows),
        tuple(groups[name].made_from for name in GROUPS),
        tuple(line for name in GROUPS for line in decay_sentences(groups[name])),
    )


def decay_sentences(runs: GroupRuns) -> tuple[str, ...]:
    """What was collapsed under each weight decay."""
    return tuple(
        f"decay {value:g}: {collapse_sentence(runs.where(weight_decay=value))}"
        for value in runs.values("weight_decay")
    )
