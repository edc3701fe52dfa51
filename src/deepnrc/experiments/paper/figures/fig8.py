"""Figure 8 of [RU26]: nonlinear synthetic data, all quantities by layer."""

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.figure import Figure, for_each
from deepnrc.experiments.paper.layer_panels import COVARIANCE_RANK, layer_grid
from deepnrc.report.quantities import ALIGNMENT, CKA, ERROR, NOISE, WEIGHT_RANK

FIGURE = Figure(
    name="fig8",
    title="Nonlinear synthetic data, t = 3, teachers of width r = 10",
    groups=("synthetic-wide",),
    content=layer_grid(
        (NOISE, COVARIANCE_RANK, CKA), (ALIGNMENT, WEIGHT_RANK, ERROR), titled=False
    ),
    findings=for_each(collapse_sentence),
    order=80,
)
