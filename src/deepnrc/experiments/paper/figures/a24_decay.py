"""[A24]: the effect of weight decay on 2024's conditions at the last layer, by epoch."""

from collections.abc import Iterator

from deepnrc.experiments.paper.epoch_panels import level_grid
from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.last_layer import final_sentence
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import PanelGrid


def _levels(chosen: Chosen) -> dict[str, dict[str, GroupRuns]]:
    """Runs by data set and weight decay."""
    [runs] = chosen
    return {
        variant: {f"decay {value:g}": level for value, level in each.by("weight_decay").items()}
        for variant, each in runs.by("variant").items()
    }


def _columns(chosen: Chosen) -> PanelGrid:
    """One column per data set, a curve for each weight decay."""
    return level_grid(_levels(chosen))


def _findings(chosen: Chosen) -> Iterator[str]:
    for variant, levels in _levels(chosen).items():
        for label, runs in levels.items():
            yield final_sentence(runs, f"{variant} {label}")


FIGURE = Figure(
    name="a24-decay",
    title="2024's NRC1–3 at the last layer under weight decays, by epoch",
    groups=("last-layer",),
    content=_columns,
    findings=_findings,
    order=210,
)
