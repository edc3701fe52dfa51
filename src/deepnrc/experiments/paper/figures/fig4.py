"""Figure 4 of [RU26]: the effect of weight decay on the conditions by layer."""

from deepnrc.experiments.paper.collapse import decay_sentences
from deepnrc.experiments.paper.figure import Figure
from deepnrc.experiments.paper.layer_panels import level_rows
from deepnrc.report.quantities import ALIGNMENT, CKA, NOISE, WEIGHT_RANK

FIGURE = Figure(
    name="fig4",
    title="Weight decay: Carla2D (above) and synthetic data (below)",
    groups=("carla-decay", "synthetic-decay"),
    content=level_rows((NOISE, ALIGNMENT, WEIGHT_RANK), (NOISE, ALIGNMENT, CKA)),
    findings=decay_sentences,
    order=40,
)
