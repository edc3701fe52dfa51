"""Figure 6 of [RU26]: the four conditions by layer for Reacher."""

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.figure import Figure, for_each
from deepnrc.experiments.paper.layer_panels import layer_grid
from deepnrc.report.quantities import ALIGNMENT, CKA, ERROR, NOISE

FIGURE = Figure(
    name="fig6",
    title="Deep NRC on imitation data: Reacher",
    groups=("reacher",),
    content=layer_grid((NOISE, CKA), (ALIGNMENT, ERROR)),
    findings=for_each(collapse_sentence),
    order=60,
)
