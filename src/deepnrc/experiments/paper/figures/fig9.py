"""Figure 9 of [RU26]: the effect of weight decay on SGEMM."""

from deepnrc.experiments.paper.collapse import decay_sentences
from deepnrc.experiments.paper.figure import Figure
from deepnrc.experiments.paper.layer_panels import level_rows
from deepnrc.report.quantities import ALIGNMENT, NOISE, WEIGHT_RANK

FIGURE = Figure(
    name="fig9",
    title="Weight decay: SGEMM",
    groups=("sgemm-decay",),
    content=level_rows((NOISE, ALIGNMENT, WEIGHT_RANK), titled=False),
    findings=decay_sentences,
    order=90,
)
