"""Panels by epoch of the runs that reproduce [A24]: 2024's conditions at the last layer, errors."""

import math
from collections.abc import Callable, Mapping, Sequence

from deepnrc.experiments.paper.last_layer import field_of, last_record
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelGrid
from deepnrc.results.measurement import Measurement

__all__ = ["condition_panels", "level_grid", "loss_curves", "loss_panel"]


def condition_panels(
    title: str, series: Mapping[str, Sequence[FinishedRun]], kind: str = "main"
) -> list[Panel]:
    """The three conditions, one below the other, with a curve for each series of runs.

    Args:
        title: The data set, printed above the first panel.
        series: Runs that differ in nothing but the seed, by the label of their curve.
        kind: The role of the curves.
    """
    rows = (
        ("NRC1 (2024)\nfeatures, components", "unit", _by_epoch(field_of("feature_pca_residual"))),
        (
            "NRC2 (2024)\nfeatures, rows of W",
            "unit",
            _by_epoch(field_of("feature_weight_residual")),
        ),
        ("NRC3 (2024)\nGram matrix", "log", _gram_residuals),
    )
    return [
        _panel("" if row else title, title, quantity, scale, _curves(series, values, kind))
        for row, (quantity, scale, values) in enumerate(rows)
    ]


def loss_panel(runs: Sequence[FinishedRun], dataset: str) -> Panel:
    """Training and test error by epoch, at ten or more epochs per decade."""
    log = runs[0].log
    kept = [i for i, entry in enumerate(log) if _shown(entry["epoch"], len(log))]
    return _panel("", dataset, "MSE", "log", loss_curves(runs, kept, "MSE"))


def loss_curves(runs: Sequence[FinishedRun], kept: Sequence[int], noun: str) -> tuple[Curve, Curve]:
    """Training and test loss at these entries of the log."""
    epochs = tuple(float(runs[0].log[i]["epoch"]) for i in kept)

    def values(key: str) -> dict[int, list[float]]:
        return {run.seed: [run.log[i][key] for i in kept] for run in runs}

    return (
        Curve(f"training {noun}", epochs, values("train_loss")),
        Curve(f"test {noun}", epochs, values("test_loss"), "test"),
    )


def level_grid(columns: Mapping[str, Mapping[str, GroupRuns]]) -> PanelGrid:
    """The three conditions and the training error: one column per title, a curve for each label.

    Levels all of whose runs failed are left out.
    """
    grid = []
    for title, levels in columns.items():
        series = {label: runs.runs for label, runs in levels.items() if len(runs)}
        error = _curves(series, _by_epoch(lambda measurement: measurement.model_mse), "level")
        grid.append(
            [
                *condition_panels(title, series, "level"),
                _panel("", title, "training MSE", "log", error),
            ]
        )
    return PanelGrid(list(zip(*grid, strict=True)))


def _panel(title: str, dataset: str, quantity: str, scale: str, curves: tuple[Curve, ...]) -> Panel:
    return Panel(title, dataset, quantity, curves, "epoch", scale, "symlog")


def _curves(
    series: Mapping[str, Sequence[FinishedRun]],
    values: Callable[[FinishedRun], list[float]],
    kind: str,
) -> tuple[Curve, ...]:
    return tuple(
        Curve(
            label,
            tuple(float(epoch) for epoch, _ in runs[0].history),
            {run.seed: values(run) for run in runs},
            kind,
        )
        for label, runs in series.items()
    )


def _by_epoch(value: Callable[[Measurement], float]) -> Callable[[FinishedRun], list[float]]:
    """A number of each measured epoch."""
    return lambda run: [value(measurement) for _, measurement in run.history]


def _gram_residuals(run: FinishedRun) -> list[float]:
    """NRC3 by epoch at the γ of the last epoch, as [A24] draws it."""
    gamma = last_record(run.measurement).gamma
    return [
        math.nan if math.isnan(gamma) else last_record(measurement).gram_residual_at(gamma)
        for _, measurement in run.history
    ]


def _shown(epoch: int, last: int) -> bool:
    step = max(1, 10 ** (len(str(epoch)) - 1) // 10)
    return epoch % step == 0 or epoch == last
