"""Table 1 of [RU26]: the conditions of classification and of regression, side by side, measured.

The paper's table holds formulas alone. Here each stands beside its value at the last layer of a
trained network: a classifier of a few Gaussian classes, trained on the spot, and the paper's Hopper
network.
"""

from collections.abc import Mapping

import torch

from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.experiments.paper.tables import TableFigure
from deepnrc.models import MLP
from deepnrc.report.panels import median
from deepnrc.results.measure import measure
from deepnrc.results.measurement import Measurement
from deepnrc.support.text import number

__all__ = ["GROUPS", "TITLE", "make", "trained_classifier"]

TITLE = "NC and NRC conditions side by side, each at the last layer of a trained network"
GROUPS = ("hopper",)

_CLASSES, _ROWS, _INPUTS = 4, 1000, 10
_PAIRS = (
    (
        "NC1, within-class share Tr Σ_W/Tr Σ_T → 0",
        "within_class_share",
        "NRC1, noise component 1 − Σ_{i≤t} λ_i/Σ λ_i → 0",
        "noise_component",
    ),
    (
        "NC2, distance of the class means from a simplex → 0",
        "simplex_distance",
        "NRC2, CKA of signal and targets → 1",
        "signal_target_cka",
    ),
    (
        "NC3, cosine between class means and rows of W → 1",
        "class_weight_cosine",
        "NRC3, mean cosine between features' and W's subspaces → 1",
        "feature_weight_alignment",
    ),
    (
        "NC4, nearest class mean decides as the network → 1",
        "nearest_mean_agreement",
        "NRC4, MSE of a linear map over the network's own → 1",
        "",
    ),
)


def make(groups: Mapping[str, GroupRuns]) -> TableFigure:
    """One row a condition."""
    classifier = trained_classifier()
    collapse = classifier[-1].collapse
    assert collapse is not None
    runs = list(groups["hopper"])
    rows = []
    for nc, class_metric, nrc, metric in _PAIRS:
        values = [
            getattr(run.measurement[-1], metric)
            if metric
            else run.measurement[-1].linear_prediction_mse / run.measurement.model_mse
            for run in runs
        ]
        rows.append((nc, number(getattr(collapse, class_metric)), nrc, number(median(values))))
    accuracy = classifier.accuracy if classifier.accuracy is not None else float("nan")
    return TableFigure(
        "table1",
        TITLE,
        ("classification", "measured", "regression", "measured"),
        tuple(rows),
        (
            f"Classification: {_CLASSES} Gaussian classes in {_INPUTS} dimensions, {_ROWS} rows, "
            f"MLP 4 × 64 under cross-entropy and weight decay, one seed; accuracy {accuracy:.3f}.",
            groups["hopper"].made_from,
            f"Regression: median of {len(runs)} seeds.",
        ),
    )


def trained_classifier(steps: int = 1500) -> Measurement:
    """A small classifier trained on the spot, and measured: under ten seconds."""
    generator = torch.Generator().manual_seed(0)
    centres = 2.0 * torch.randn(_CLASSES, _INPUTS, generator=generator)
    labels = torch.randint(_CLASSES, (_ROWS,), generator=generator)
    inputs = centres[labels] + torch.randn(_ROWS, _INPUTS, generator=generator)
    model = MLP(_INPUTS, _CLASSES, width=64, depth=4, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-3)
    for step in range(steps):
        if step in (steps // 3, 2 * steps // 3):
            optimizer.param_groups[0]["lr"] *= 0.1
        rows = torch.randint(_ROWS, (128,), generator=generator)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
        torch.autograd.backward(loss)
        optimizer.step()
    return measure(model.eval(), [(inputs, labels)], task="classification", progress=False)
