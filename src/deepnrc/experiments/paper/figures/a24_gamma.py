"""[A24]: 2024's NRC3 as a function of γ/λ_min at the end of training."""

from collections.abc import Iterator

from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.last_layer import by_variant, last_record
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelGrid, median
from deepnrc.support.text import number

_SHARES = tuple(i / 50 for i in range(51))
_REPORTED = {"reacher": ".749", "swimmer": ".691", "hopper": ".011"}  # γ*/λ_min in [A24]


def _panels(chosen: Chosen) -> PanelGrid:
    """One panel per data set, the minimum marked."""
    return PanelGrid([[_panel(v, runs) for v, runs in by_variant(chosen).items()]])


def _panel(variant: str, runs: GroupRuns) -> Panel:
    lasts = {run.seed: last_record(run.measurement) for run in runs.require()}
    values = {
        seed: [last.gram_residual_at(share * last.largest_gamma) for share in _SHARES]
        for seed, last in lasts.items()
    }
    return Panel(
        variant,
        variant,
        "NRC3 (2024)",
        (Curve("our runs", _SHARES, values),),
        "γ/λ_min",
        mark=(_best(runs), "minimum (median seed)"),
    )


def _best(runs: GroupRuns) -> float:
    return median([last_record(run.measurement).gamma_share for run in runs])


def _findings(chosen: Chosen) -> Iterator[str]:
    for variant, runs in by_variant(chosen).items():
        ends = sum(last_record(run.measurement).gamma_on_end is True for run in runs)
        yield (
            f"{variant}: median γ*/λ_min = {number(_best(runs))}, at an end of its range in {ends} "
            f"of {len(runs)} seeds; [A24] reports {_REPORTED.get(variant, 'nothing')}."
        )


FIGURE = Figure(
    name="a24-gamma",
    title="2024's NRC3 over γ/λ_min, at the end of training",
    groups=("last-layer",),
    content=_panels,
    findings=_findings,
    order=230,
)
