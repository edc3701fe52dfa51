"""What [A24]'s figures read from a run: the last layer's record, by epoch and at the end."""

import math
from collections.abc import Callable, Sequence

import torch

from deepnrc.errors import DataError
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.report.panels import Curve, Panel, median
from deepnrc.results.measurement import Measurement
from deepnrc.support.text import number
from deepnrc.theory import ufm_optimum

__all__ = [
    "curve_by_epoch",
    "field_of",
    "final_sentence",
    "gram_curve",
    "held_variance",
    "last_record",
    "loss_panel",
    "theory_sentence",
]


def last_record(measurement: Measurement) -> LastLayer:
    """The last layer's record.

    Raises:
        DataError: There is none; the message says why.
    """
    if measurement.last_layer is None:
        raise DataError(f"no last layer: {measurement.undefined['last_layer']}")
    return measurement.last_layer


def field_of(name: str) -> Callable[[Measurement], float]:
    """Reads a field of the last layer's record."""
    return lambda measurement: getattr(last_record(measurement), name)


def curve_by_epoch(
    runs: Sequence[FinishedRun],
    label: str,
    value: Callable[[Measurement], float],
    kind: str = "main",
) -> Curve:
    """A number of each measured epoch, over the runs' seeds."""
    epochs = tuple(float(epoch) for epoch, _ in runs[0].history)
    values = {run.seed: [value(measurement) for _, measurement in run.history] for run in runs}
    return Curve(label, epochs, values, kind)


def gram_curve(runs: Sequence[FinishedRun], label: str, kind: str = "main") -> Curve:
    """NRC3 by epoch at the γ of the last epoch, as [A24] draws it."""
    epochs = tuple(float(epoch) for epoch, _ in runs[0].history)
    values = {}
    for run in runs:
        gamma = last_record(run.measurement).gamma
        known = not math.isnan(gamma)
        values[run.seed] = [
            last_record(m).gram_residual_at(gamma) if known else math.nan for _, m in run.history
        ]
    return Curve(label, epochs, values, kind)


def loss_panel(runs: Sequence[FinishedRun], dataset: str) -> Panel:
    """Training and test error by epoch, ten points to the decade and more."""
    kept = [i for i, entry in enumerate(runs[0].log) if _shown(entry["epoch"], len(runs[0].log))]
    epochs = tuple(float(runs[0].log[i]["epoch"]) for i in kept)
    curves = tuple(
        Curve(label, epochs, {r.seed: [r.log[i][key] for i in kept] for r in runs}, kind)
        for label, key, kind in (
            ("training MSE", "train_loss", "main"),
            ("test MSE", "test_loss", "test"),
        )
    )
    return Panel("", dataset, "MSE", curves, "epoch", "log", "symlog")


def _shown(epoch: int, last: int) -> bool:
    step = max(1, 10 ** (len(str(epoch)) - 1) // 10)
    return epoch % step == 0 or epoch == last


def held_variance(runs: GroupRuns) -> float:
    """Share of the variance in the first t components, median of the runs."""
    held = []
    for run in runs:
        last = last_record(run.measurement)
        ratios = last.explained_variance_ratios
        held.append(sum(ratios[: len(last.gram)]) if ratios else math.nan)
    return median(held)


def final_sentence(runs: GroupRuns, what: str) -> str:
    """The three conditions at the end of training, medians of the runs."""
    lasts = [last_record(run.measurement) for run in runs]
    if not lasts:
        return f"{what}: no run came to its end ({len(runs.failed)} failed)."
    parts = [
        f"NRC{i} {number(median([getattr(last, field) for last in lasts]))}"
        for i, field in enumerate(
            ("feature_pca_residual", "feature_weight_residual", "gram_residual"), start=1
        )
    ]
    return (
        f"{what}: at the end {', '.join(parts)} (chance of the first two "
        f"{number(lasts[0].chance_residual)}), R² {number(median([last.r2 for last in lasts]))}; "
        f"eigenvalues of the Gram matrix {_list(lasts[0].gram_eigenvalues)} (first seed)."
    )


def theory_sentence(runs: GroupRuns, level: str) -> str:
    """The rank and error that theory gives for the penalties, beside what the runs reached."""
    each = list(runs)
    if not each:
        return f"λ = {level}: no run came to its end ({len(runs.failed)} failed)."
    last = last_record(each[0].measurement)
    size = float(level)
    best = ufm_optimum(last.target_covariance, lambda_h=size, lambda_w=size)
    t = len(last.gram)
    ours = median([run.measurement.model_mse * t for run in each])
    rank = [sum(v > 1e-3 * max(_largest(run), 1e-12) for v in _eigenvalues(run)) for run in each]
    return (
        f"λ = {level}: theory gives a Gram matrix of rank {best.rank} with eigenvalues "
        f"{_list(sorted(torch.linalg.eigvalsh(best.gram).tolist(), reverse=True))} and a training "
        f"error (summed over targets) of {number(float(best.mse))}; the runs have "
        f"{_list(_eigenvalues(each[0]))} (first seed) and {number(ours)} (median), numerical rank "
        f"{min(rank)}–{max(rank)}. {final_sentence(runs, 'Conditions')}"
    )


def _eigenvalues(run: FinishedRun) -> tuple[float, ...]:
    return last_record(run.measurement).gram_eigenvalues


def _largest(run: FinishedRun) -> float:
    return _eigenvalues(run)[0]


def _list(values: Sequence[float]) -> str:
    return "(" + ", ".join(number(value) for value in values) + ")"
