"""Panels of a quantity by layer over a group's seeds, and the layouts that figures use."""

from collections.abc import Callable, Sequence

from deepnrc.errors import DataError
from deepnrc.experiments.paper.collapse import first_collapsed
from deepnrc.experiments.paper.figure import Chosen
from deepnrc.experiments.paper.published import with_published
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelGrid
from deepnrc.report.quantities import Quantity
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.measurement import Measurement

__all__ = [
    "COVARIANCE_RANK",
    "condition_panel",
    "curve",
    "layer_columns",
    "layer_grid",
    "level_panel",
    "level_rows",
    "target_rank",
]

COVARIANCE_RANK = Quantity("covariance_stable_rank", "stable rank\nof the covariance", "linear")
_MARK = "first collapsed layer (median seed)"


def layer_columns(*quantities: Quantity) -> Callable[[Chosen], PanelGrid]:
    """One column per group, one row per quantity."""
    return lambda chosen: PanelGrid(
        [
            [condition_panel(runs, q, title="" if row else runs.title) for runs in chosen]
            for row, q in enumerate(quantities)
        ]
    )


def layer_grid(*rows: Sequence[Quantity], titled: bool = True) -> Callable[[Chosen], PanelGrid]:
    """Quantities of one group, its title above the first."""

    def draw(chosen: Chosen) -> PanelGrid:
        [runs] = chosen
        title = {rows[0][0]: runs.title} if titled else {}
        return PanelGrid(
            [[condition_panel(runs, q, title=title.get(q, "")) for q in row] for row in rows]
        )

    return draw


def level_rows(*rows: Sequence[Quantity], titled: bool = True) -> Callable[[Chosen], PanelGrid]:
    """One row of quantities per group, a curve for each weight decay."""
    return lambda chosen: PanelGrid(
        [
            [
                level_panel(runs, "weight_decay", q, title=runs.title if titled and not i else "")
                for i, q in enumerate(row)
            ]
            for runs, row in zip(chosen, rows, strict=True)
        ]
    )


def curve(
    runs: Sequence[FinishedRun],
    value: Callable[[LayerMeasurement], float],
    label: str,
    kind: str = "main",
    *,
    of: Callable[[FinishedRun], Measurement] = lambda run: run.measurement,
) -> Curve:
    """A number of each layer, for each seed."""
    values = {run.seed: tuple(value(layer) for layer in of(run)) for run in runs}
    return Curve(label, of(runs[0]).names, values, kind)


def condition_panel(runs: GroupRuns, quantity: Quantity, *, title: str = "") -> Panel:
    """A quantity by layer, with the reference line and the published curve of the paper's figures.

    Args:
        runs: Runs that differ in nothing but the seed.
        quantity: What to show.
        title: The text above the panel.

    Raises:
        DataError: No run finished.
    """
    each = runs.require()
    shown = (
        curve(each, lambda layer: getattr(layer, quantity.metric), "our runs"),
        *_reference(each, quantity.metric),
    )
    if not (runs.stand_in and quantity.metric == "linear_prediction_mse"):  # in other units
        shown = with_published(shown, runs.plan.group.paper, quantity.metric)
    first = first_collapsed(each)
    return Panel(
        title=title,
        dataset=runs.dataset,
        quantity=quantity.label,
        curves=shown,
        scale=quantity.scale,
        mark=None if first is None else (first, _MARK),
    )


def level_panel(
    runs: GroupRuns,
    key: str,
    quantity: Quantity,
    *,
    title: str = "",
    name: Callable[[object], str] = lambda value: f"decay {value:g}",
) -> Panel:
    """A quantity by layer, a curve for each value of a swept setting.

    Raises:
        DataError: No run finished. (Where all runs of one value failed, its curve is left out.)
    """
    curves = tuple(
        curve(each.runs, lambda layer: getattr(layer, quantity.metric), name(value), "level")
        for value, each in runs.by(key).items()
        if len(each)
    )
    if not curves:
        raise DataError(f"{runs.title}: no run finished")
    return Panel(title, runs.dataset, quantity.label, curves, scale=quantity.scale)


def target_rank(run: FinishedRun) -> float:
    """‖Σ_Y‖_F²/‖Σ_Y‖₂², the stable rank of the targets' covariance as in the paper's figures."""
    eigenvalues = run.measurement.target_eigenvalues
    return sum(value**2 for value in eigenvalues) / eigenvalues[0] ** 2


def _reference(each: Sequence[FinishedRun], metric: str) -> list[Curve]:
    """The line that a quantity is to be compared with."""
    if metric == "linear_prediction_mse":
        return [_constant(each, lambda run: run.measurement.model_mse, "the network's own MSE")]
    if metric == "covariance_stable_rank":
        return [_constant(each, target_rank, "the targets' stable rank")]
    if metric == "feature_weight_alignment":
        chance = "unrelated subspaces"
        return [curve(each, lambda layer: layer.random_alignment, chance, "chance")]
    return []


def _constant(
    each: Sequence[FinishedRun], value: Callable[[FinishedRun], float], label: str
) -> Curve:
    names = each[0].measurement.names
    return Curve(label, names, {run.seed: (value(run),) * len(names) for run in each}, "reference")
