"""Which of the settings that the paper leaves unstated explains its synthetic curves?"""

import math
from collections.abc import Mapping
from dataclasses import replace

from deepnrc.experiments.paper.by_layer import collapse_sentence, level_panel
from deepnrc.experiments.paper.published import Published, published
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelFigure, band, median
from deepnrc.support.text import number

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
        (
            _nearest(runs),
            *(_sentence(runs.where(variant=v), v) for v in runs.values("variant")),
        ),
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


def _distances(runs: GroupRuns) -> dict[str, float]:
    """Median distance over the layers from the published curve, by metric; of NRC1 in decades."""
    found = {}
    for metric, label, scale in _METRICS:
        panel = level_panel(runs, "variant", metric, label, scale, name=str)
        theirs = _published(runs, metric)
        if theirs is None:
            continue
        pairs = zip(band(panel.curves[0]).middle, theirs.values, strict=True)
        apart = [
            abs(math.log10(ours / value)) if scale == "log" else abs(ours - value)
            for ours, value in pairs
        ]
        found[label.replace("\n", " ")] = median(apart)
    return found


def _sentence(runs: GroupRuns, variant: str) -> str:
    apart = ", ".join(f"{label} {number(value)}" for label, value in _distances(runs).items())
    return (
        f"{variant}: median distance from the published curve: {apart}. {collapse_sentence(runs)}"
    )


def _nearest(runs: GroupRuns) -> str:
    each = {v: _distances(runs.where(variant=v)) for v in runs.values("variant")}
    labels = next(iter(each.values()))
    parts = [
        f"{label}: {best} ({number(each[best][label])})"
        for label in labels
        for best in (min(each, key=lambda v: each[v][label]),)
    ]
    return f"Nearest to the published curves, of these variants: {'; '.join(parts)}."
