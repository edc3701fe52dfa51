"""Table 1 of [RU26]: the conditions of classification and of regression, side by side, measured.

The paper's table holds formulas only. Here each stands beside its value at the last layer of a
trained network: a classifier of a few Gaussian classes, trained when the table is made, and the
paper's Hopper network.
"""

from functools import cache

import torch

from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.runs import FinishedRun
from deepnrc.models import MLP
from deepnrc.report.panels import median
from deepnrc.results.measure import measure
from deepnrc.results.measurement import Measurement
from deepnrc.support.text import Table, number

_CLASSES, _ROWS, _INPUTS, _STEPS = 4, 1000, 10, 1500
_CLASSIFICATION = {
    "within_class_share": "NC1, within-class share Tr Σ_W/Tr Σ_T → 0",
    "simplex_distance": "NC2, distance of the class means from a simplex → 0",
    "class_weight_cosine": "NC3, cosine between class means and rows of W → 1",
    "nearest_mean_agreement": "NC4, agreement of the nearest class mean with the network → 1",
}
_REGRESSION = {
    "noise_component": "NRC1, noise component 1 − Σ_{i≤t} λ_i/Σ λ_i → 0",
    "signal_target_cka": "NRC2, CKA of signal and targets → 1",
    "feature_weight_alignment": "NRC3, mean cosine between features' and W's subspaces → 1",
    "linear_prediction_mse": "NRC4, MSE of a linear map over the network's own → 1",
}


def _table(chosen: Chosen) -> Table:
    """One row per condition."""
    [runs] = chosen
    collapse = _trained_classifier()[-1].collapse
    assert collapse is not None
    rows = []
    for (class_metric, nc), (metric, nrc) in zip(
        _CLASSIFICATION.items(), _REGRESSION.items(), strict=True
    ):
        value = median([_value(run, metric) for run in runs])
        rows.append((nc, number(getattr(collapse, class_metric)), nrc, number(value)))
    return Table(("classification", "measured", "regression", "measured"), tuple(rows), ())


def _value(run: FinishedRun, metric: str) -> float:
    value: float = getattr(run.measurement[-1], metric)
    return value / run.measurement.model_mse if metric == "linear_prediction_mse" else value


def _made_from(chosen: Chosen) -> tuple[str, ...]:
    [runs] = chosen
    return (
        f"Classification: {_CLASSES} Gaussian classes in {_INPUTS} dimensions, {_ROWS} rows, "
        "MLP 4 × 64 trained with cross-entropy and weight decay, one seed; accuracy "
        f"{_trained_classifier().accuracy:.3f}.",
        runs.made_from,
        f"Regression: median of {len(runs)} seeds.",
    )


@cache
def _trained_classifier() -> Measurement:
    """A small classifier, trained and measured: under ten seconds."""
    generator = torch.Generator().manual_seed(0)
    centers = 2.0 * torch.randn(_CLASSES, _INPUTS, generator=generator)
    labels = torch.randint(_CLASSES, (_ROWS,), generator=generator)
    inputs = centers[labels] + torch.randn(_ROWS, _INPUTS, generator=generator)
    model = MLP(_INPUTS, _CLASSES, width=64, depth=4, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-3)
    for step in range(_STEPS):
        if step in (_STEPS // 3, 2 * _STEPS // 3):
            optimizer.param_groups[0]["lr"] *= 0.1
        rows = torch.randint(_ROWS, (128,), generator=generator)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        torch.autograd.backward(loss)
        optimizer.step()
    return measure(model.eval(), [(inputs, labels)], task="classification", progress=False)


FIGURE = Figure(
    name="table1",
    title="NC and NRC conditions side by side, each at the last layer of a trained network",
    groups=("hopper",),
    content=_table,
    made_from=_made_from,
    order=100,
)
