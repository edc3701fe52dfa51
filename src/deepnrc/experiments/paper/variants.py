"""Which of the settings that the paper leaves unstated explains its synthetic curves?"""

from collections.abc import Mapping
from dataclasses import replace

from deepnrc.experiments.paper.by_layer import collapse_sentence, level_panel
from deepnrc.experiments.paper.published import Published, published
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelFigure, band, median
from deepnrc.report.text import number

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Synthetic data: one unstated setting changed at a time"
GROUPS = ("synthetic-variants",)
_METRICS = (
    ("noise_component", "NRC1\nnoise component", "log"),
    ("feature_weight_alignment", "NRC3\nfeature–weight alignment", "unit"),
    ("covariance_stable_rank", "stable rank\nof the features", "linear"),
)


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """NRC1, NRC3 and the features' stable rank, a curve for each variant."""
    runs = groups["synthetic-variants"]
    return PanelFigure(
        "variants",
        TITLE,
        (tuple(_panel(runs, *metric) for metric in _METRICS),),
        (runs.made_from,),
        tuple(_sentence(runs.where(variant=v), v) for v in runs.values("variant")),
    )


def _panel(runs: GroupRuns, metric: str, label: str, scale: str) -> Panel:
    panel = level_panel(runs, "variant", metric, label, scale, name=str)
    theirs = _published(runs, metric)
    if theirs is None:
        return panel
    line = Curve("published", theirs.layers, {0: theirs.values}, "published")
    return replace(panel, curves=(*panel.curves, line))


def _published(runs: GroupRuns, metric: str) -> Published | None:
    key = "top_alignment" if metric == "feature_weight_alignment" else metric
    return published(runs.plan.group.paper, key)


def _sentence(runs: GroupRuns, variant: str) -> str:
    apart = []
    for metric, label, scale in _METRICS:
        panel = level_panel(runs, "variant", metric, label, scale, name=str)
        theirs = _published(runs, metric)
        if theirs is None:
            continue
        ours = band(panel.curves[0]).middle
        differences = [abs(a - b) for a, b in zip(ours, theirs.values, strict=True)]
        apart.append(f"{label.splitlines()[0]} {number(median(differences))}")
    return (
        f"{variant}: median distance from the published curve: {', '.join(apart)}. "
        f"{collapse_sentence(runs)}"
    )
