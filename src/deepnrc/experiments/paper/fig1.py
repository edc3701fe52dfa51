"""Figure 1 of [RU26]: the four conditions by layer in residual networks, UTKFace and Carla2D."""

from collections.abc import Mapping
from dataclasses import replace

from deepnrc.experiments.paper.by_layer import collapse_sentence, condition_column
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelFigure

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "Deep NRC in residual networks: UTKFace and Carla2D"
GROUPS = ("utkface", "carla-decay")


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One column a network; layers without the down-sampling convolutions, as in the paper."""
    faces = groups["utkface"]
    driving = groups["carla-decay"].where(weight_decay=0.005)
    columns = [
        [_without_downsampling(panel) for panel in condition_column(runs)]
        for runs in (faces, driving)
    ]
    return PanelFigure(
        "fig1",
        TITLE,
        tuple(zip(*columns, strict=True)),
        (faces.made_from, driving.made_from),
        (collapse_sentence(faces), collapse_sentence(driving)),
    )


def _without_downsampling(panel: Panel) -> Panel:
    def kept(name: object) -> bool:
        return "downsample" not in str(name) and name != "conv1"

    curves = []
    for curve in panel.curves:
        places = [i for i, x in enumerate(curve.x) if kept(x)]
        values = {seed: [v[i] for i in places] for seed, v in curve.values.items()}
        curves.append(replace(curve, x=tuple(curve.x[i] for i in places), values=values))
    return replace(panel, curves=tuple(curves))
