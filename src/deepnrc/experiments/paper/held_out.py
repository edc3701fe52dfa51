"""Beyond the paper: the four conditions on test data beside those on training data."""

from collections.abc import Mapping
from dataclasses import replace

from deepnrc.experiments.paper.by_layer import CONDITIONS, condition_panel, curve
from deepnrc.experiments.paper.proposition import GROUPS, chosen_runs
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelFigure
from deepnrc.results.diagnosis import diagnose

__all__ = ["GROUPS", "TITLE", "make"]

TITLE = "The four conditions on training and on test data, by layer"


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One column a data set."""
    chosen = chosen_runs(groups)
    columns = [[_panel(runs, row) for row in range(len(CONDITIONS))] for runs in chosen]
    return PanelFigure(
        "held-out",
        TITLE,
        tuple(zip(*columns, strict=True)),
        tuple(runs.made_from for runs in chosen),
        tuple(_sentence(runs) for runs in chosen),
    )


def _panel(runs: GroupRuns, row: int) -> Panel:
    metric, label, scale = CONDITIONS[row]
    panel = condition_panel(runs, metric, label, scale, title=runs.title if row == 0 else "")
    train = replace(panel.curves[0], label="training data")
    test = curve(
        list(runs), lambda layer: getattr(layer, metric), "test data", of=lambda run: run.test
    )
    mark = None if panel.mark is None else (panel.mark[0], "first collapsed on training data")
    return replace(panel, curves=(train, replace(test, kind="test")), mark=mark)


def _sentence(runs: GroupRuns) -> str:
    shown = []
    for part, measurements in (
        ("training", [run.measurement for run in runs]),
        ("test", [run.test for run in runs]),
    ):
        found = [diagnose(measurement).first_collapsed_layer for measurement in measurements]
        shown.append(f"on {part} data " + ", ".join(name or "none" for name in found))
    test = next(iter(runs)).test
    few = (
        f" NRC4 says little on test data: it is fitted anew to {test.samples} rows of up to "
        f"{max(layer.width for layer in test)} features."
        if test.samples < 5 * max(layer.width for layer in test)
        else ""
    )
    return f"{runs.title}: first collapsed layer by seed, {'; '.join(shown)}.{few}"
