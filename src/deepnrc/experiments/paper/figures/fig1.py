"""Figure 1 of [RU26]: the four conditions by layer in residual networks, UTKFace and Carla2D."""

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.figure import Figure, for_each
from deepnrc.experiments.paper.layer_panels import layer_columns
from deepnrc.report.quantities import CONDITIONS

FIGURE = Figure(  # as in the paper, without conv1 and the down-sampling convolutions
    name="fig1",
    title="Deep NRC in residual networks: UTKFace and Carla2D",
    groups=("utkface", "carla-decay"),
    only={"carla-decay": {"weight_decay": 0.005}},
    content=layer_columns(*CONDITIONS),
    findings=for_each(collapse_sentence),
    order=10,
)
