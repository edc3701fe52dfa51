"""Figure 7 of [RU26]: the four conditions by layer for SGEMM."""

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.figure import Figure, for_each
from deepnrc.experiments.paper.layer_panels import layer_grid
from deepnrc.report.quantities import ALIGNMENT, CKA, ERROR, NOISE

FIGURE = Figure(
    name="fig7",
    title="Deep NRC on run times: SGEMM, subspaces of t = 4 dimensions",
    groups=("sgemm-decay",),
    only={"sgemm-decay": {"weight_decay": 0.001}},  # as in the paper's Table 2
    content=layer_grid((NOISE, CKA), (ALIGNMENT, ERROR)),
    findings=for_each(collapse_sentence),
    order=70,
)
