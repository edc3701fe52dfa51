"""[A24]: 2024's conditions at the last layer, with the errors, by epoch."""

from collections.abc import Iterator

from deepnrc.experiments.paper.epoch_panels import condition_panels, loss_panel
from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.last_layer import by_variant, final_sentence
from deepnrc.report.panels import PanelGrid


def _columns(chosen: Chosen) -> PanelGrid:
    """One column per data set: NRC1, NRC2, NRC3 at the final γ, errors."""
    columns = []
    for variant, runs in by_variant(chosen).items():
        each = runs.require()
        columns.append([*condition_panels(variant, {"our runs": each}), loss_panel(each, variant)])
    return PanelGrid(list(zip(*columns, strict=True)))


def _findings(chosen: Chosen) -> Iterator[str]:
    return (final_sentence(runs, variant) for variant, runs in by_variant(chosen).items())


FIGURE = Figure(
    name="a24-curves",
    title="2024's NRC1–3 at the last layer, with errors, by epoch (decay 1e-3)",
    groups=("last-layer",),
    content=_columns,
    findings=_findings,
    order=200,
)
