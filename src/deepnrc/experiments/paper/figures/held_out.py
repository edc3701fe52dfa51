"""Beyond the paper: the four conditions on test data beside those on training data."""

from dataclasses import replace

from deepnrc.experiments.paper.figure import Chosen, Figure, for_each
from deepnrc.experiments.paper.figures.prop1 import FIGURE as PROPOSITION
from deepnrc.experiments.paper.layer_panels import condition_panel, curve
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelGrid
from deepnrc.report.quantities import CONDITIONS, Quantity
from deepnrc.results.diagnosis import diagnose


def _columns(chosen: Chosen) -> PanelGrid:
    """One column per data set, one row per condition."""
    return PanelGrid(
        [
            [_panel(runs, quantity, "" if row else runs.title) for runs in chosen]
            for row, quantity in enumerate(CONDITIONS)
        ]
    )


def _panel(runs: GroupRuns, quantity: Quantity, title: str) -> Panel:
    panel = condition_panel(runs, quantity, title=title)
    train = replace(panel.curves[0], label="training data")
    test = curve(
        runs.runs,
        lambda layer: getattr(layer, quantity.metric),
        "test data",
        "test",
        of=lambda run: run.test,
    )
    mark = None if panel.mark is None else (panel.mark[0], "first collapsed on training data")
    return replace(panel, curves=(train, test), mark=mark)


def _sentence(runs: GroupRuns) -> str:
    shown = []
    for part, measurements in (
        ("training", [run.measurement for run in runs]),
        ("test", [run.test for run in runs]),
    ):
        found = [diagnose(measurement).first_collapsed_layer for measurement in measurements]
        shown.append(f"on {part} data " + ", ".join(name or "none" for name in found))
    test = runs.runs[0].test
    widest = max(layer.width for layer in test)
    few = (
        f" NRC4 says little on test data: its linear map is refitted to {test.samples} rows of "
        f"up to {widest} features."
        if test.samples < 5 * widest
        else ""
    )
    return f"{runs.title}: first collapsed layer by seed, {'; '.join(shown)}.{few}"


FIGURE = Figure(
    name="held-out",
    title="The four conditions on training and on test data, by layer",
    groups=PROPOSITION.groups,
    only=PROPOSITION.only,
    content=_columns,
    findings=for_each(_sentence),
    order=140,
)
