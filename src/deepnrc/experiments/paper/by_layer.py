"""A metric by layer over a group's seeds: the panel that most figures are made of."""

from collections.abc import Callable, Sequence

from deepnrc.errors import DataError
from deepnrc.experiments.paper.published import published, with_published
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.panels import Curve, Panel, median
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.measurement import Measurement
from deepnrc.support.text import number

__all__ = [
    "CONDITIONS",
    "collapse_sentence",
    "condition_column",
    "condition_panel",
    "curve",
    "first_collapsed",
    "level_panel",
    "some_runs",
]

CONDITIONS = (
    ("noise_component", "NRC1\nnoise component", "log"),
    ("signal_target_cka", "NRC2\nCKA with targets", "unit"),
    ("feature_weight_alignment", "NRC3\nfeature–weight alignment", "unit"),
    ("linear_prediction_mse", "NRC4\nlinear prediction MSE", "log"),
)
_COLLAPSED = "first collapsed layer (median seed)"


def curve(
    runs: Sequence[FinishedRun],
    value: Callable[[LayerMeasurement], float],
    label: str,
    *,
    of: Callable[[FinishedRun], Measurement] = lambda run: run.measurement,
    kind: str = "main",
) -> Curve:
    """A number of each layer, over the runs' seeds."""
    names = of(runs[0]).names
    values = {run.seed: tuple(value(layer) for layer in of(run)) for run in runs}
    return Curve(label, names, values, kind)


def condition_panel(
    runs: GroupRuns, metric: str, label: str, scale: str, *, title: str = ""
) -> Panel:
    """One condition by layer, with the lines that the papers' figures have.

    Args:
        runs: Of one setting; seeds alone differ.
        metric: Name of the metric.
        label: Of the y axis.
        scale: Of the y axis.
        title: Above the panel.
    """
    each = some_runs(runs)
    curves = [curve(each, lambda layer: getattr(layer, metric), "our runs")]
    names = curves[0].x
    if metric == "linear_prediction_mse":
        own = {run.seed: (run.measurement.model_mse,) * len(names) for run in each}
        curves.append(Curve("the network's own MSE", names, own, "reference"))
    if metric == "feature_weight_alignment":
        chance = curve(each, lambda layer: layer.random_alignment, "unrelated subspaces")
        curves.append(Curve(chance.label, chance.x, chance.values, "chance"))
    shown = tuple(curves)
    if not (runs.stand_in and metric == "linear_prediction_mse"):  # its units are others
        shown = with_published(shown, runs.plan.group.paper, metric)
    first = first_collapsed(each)
    return Panel(
        title=title,
        dataset=runs.dataset,
        quantity=label,
        curves=shown,
        scale=scale,
        mark=None if first is None else (first, _COLLAPSED),
    )


def condition_column(runs: GroupRuns, title: str = "") -> list[Panel]:
    """The four conditions of a group, one below the other."""
    return [
        condition_panel(runs, *condition, title=(title or runs.title) if row == 0 else "")
        for row, condition in enumerate(CONDITIONS)
    ]


def level_panel(
    runs: GroupRuns,
    key: str,
    metric: str,
    label: str,
    scale: str,
    *,
    title: str = "",
    name: Callable[[object], str] = lambda value: f"decay {value:g}",
) -> Panel:
    """One metric by layer, a curve for each value of a swept setting."""
    curves = []
    for value in runs.values(key):
        each = list(runs.where(**{key: value}))
        if not each:  # all of them failed; the findings say so
            continue
        ours = curve(each, lambda layer: getattr(layer, metric), name(value))
        curves.append(Curve(ours.label, ours.x, ours.values, "level"))
    if not curves:
        raise DataError(f"{runs.title}: no run came to its end")
    return Panel(
        title=title,
        dataset=runs.dataset,
        quantity=label,
        curves=tuple(curves),
        scale=scale,
    )


def first_collapsed(runs: Sequence[FinishedRun], rule: str = "all") -> str | None:
    """The first collapsed layer of the median seed; None if half of them or more have none."""
    names = runs[0].measurement.names
    places = [_place(run, names, rule) for run in runs]
    middle = sorted(places)[len(places) // 2]
    return None if middle == len(names) else names[middle]


def collapse_sentence(runs: GroupRuns) -> str:
    """In how many seeds which layers are collapsed, by both rules, and the last layer's NRC1."""
    each = list(runs)
    if not each:
        return f"{runs.title}: no run came to its end ({len(runs.failed)} failed)."
    parts = []
    for rule, name in (("all", "all four conditions"), ("nrc1", "NRC1 alone")):
        names = each[0].measurement.names
        found = [_place(run, names, rule) for run in each]
        there = sorted(place for place in found if place < len(names))
        if not there:
            parts.append(f"by {name} in no seed")
            continue
        span = names[there[0]]
        if there[0] != there[-1]:
            span += f"–{names[there[-1]]}"
        parts.append(f"by {name} from {span} on in {len(there)} of {len(each)} seeds")
    last = each[0].measurement.names[-1]
    noise = median([run.measurement[-1].noise_component for run in each])
    lost = f" ({len(runs.failed)} runs failed)" if runs.failed else ""
    theirs = published(runs.plan.group.paper, "noise_component")
    line = f" The paper's green line stands at {theirs.first_collapsed_layer}" if theirs else ""
    error = published(runs.plan.group.paper, "linear_prediction_mse")
    if error is not None and error.reference is not None and not runs.stand_in:
        line += f", its network's own MSE is {number(error.reference)}"
    line += "." if line else ""
    return (
        f"{runs.title}: collapsed {'; '.join(parts)}; NRC1 at {last} {number(noise)}, own MSE "
        f"{number(median([run.measurement.model_mse for run in each]))}{lost}.{line}"
    )


def _place(run: FinishedRun, names: Sequence[str], rule: str) -> int:
    first = dict(run.diagnosis.first_collapsed_by_rule)[rule]
    return len(names) if first is None else list(names).index(first)


def some_runs(runs: GroupRuns) -> list[FinishedRun]:
    """The runs, of which there must be one.

    Raises:
        DataError: There is none.
    """
    if not len(runs):
        raise DataError(f"{runs.title}: no run came to its end")
    return list(runs)
