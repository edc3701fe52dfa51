"""[A24]: penalties on features and weights in place of weight decay, beside the theory."""

from collections.abc import Iterator, Sequence

import torch

from deepnrc.experiments.paper.epoch_panels import level_grid
from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.last_layer import final_sentence, last_record, number_list
from deepnrc.report.panels import PanelGrid, median
from deepnrc.support.text import number
from deepnrc.theory import ufm_optimum


def _column(chosen: Chosen) -> PanelGrid:
    """The conditions by epoch, a curve for each λ."""
    [runs] = chosen
    dataset = runs.require()[0].member.config.data.name
    return level_grid({dataset: {f"λ = {v}": each for v, each in runs.by("variant").items()}})


def _findings(chosen: Chosen) -> Iterator[str]:
    """The rank and the error that theory predicts for the penalties, and those of the runs."""
    [runs] = chosen
    for variant, each in runs.by("variant").items():
        if not len(each):
            yield f"λ = {variant}: no run finished ({len(each.failed)} failed)."
            continue
        lasts = [last_record(run.measurement) for run in each]
        size, t = float(variant), len(lasts[0].gram)
        best = ufm_optimum(lasts[0].target_covariance, lambda_h=size, lambda_w=size)
        predicted = sorted(torch.linalg.eigvalsh(best.gram).tolist(), reverse=True)
        error = median([run.measurement.model_mse * t for run in each])
        rank = [_numerical_rank(last.gram_eigenvalues) for last in lasts]
        yield (
            f"λ = {variant}: theory predicts a Gram matrix of rank {best.rank} with eigenvalues "
            f"{number_list(predicted)} and a training error (summed over targets) of "
            f"{number(float(best.mse))}; the runs have eigenvalues "
            f"{number_list(lasts[0].gram_eigenvalues)} (first seed), an error of {number(error)} "
            f"(median) and numerical rank {min(rank)}–{max(rank)}. "
            f"{final_sentence(each, 'Conditions')}"
        )


def _numerical_rank(eigenvalues: Sequence[float]) -> int:
    return sum(value > 1e-3 * max(eigenvalues[0], 1e-12) for value in eigenvalues)


FIGURE = Figure(
    name="a24-ufm",
    title="UFM-style runs, λ_H = λ_W in place of weight decay, by epoch",
    groups=("ufm-style",),
    content=_column,
    findings=_findings,
    order=240,
)
