"""Figure 2 of [RU26]: the four conditions by layer for Swimmer and Hopper."""

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.figure import Figure, for_each
from deepnrc.experiments.paper.layer_panels import layer_columns
from deepnrc.report.quantities import CONDITIONS

FIGURE = Figure(
    name="fig2",
    title="Deep NRC on imitation data: Swimmer and Hopper",
    groups=("swimmer", "hopper"),
    content=layer_columns(*CONDITIONS),
    findings=for_each(collapse_sentence),
    order=20,
)
