"""Which of the settings that the paper leaves unstated explains its synthetic curves?"""

from collections.abc import Iterator
from dataclasses import replace

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.comparison import distance
from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.layer_panels import COVARIANCE_RANK, level_panel
from deepnrc.experiments.paper.published import with_published
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelGrid
from deepnrc.report.quantities import ALIGNMENT, NOISE, Quantity
from deepnrc.support.text import number

_FEATURE_RANK = replace(COVARIANCE_RANK, label="stable rank\nof the features")
_QUANTITIES = (NOISE, ALIGNMENT, _FEATURE_RANK)


def _panels(chosen: Chosen) -> PanelGrid:
    """NRC1, NRC3 and the stable rank of the features, a curve for each variant."""
    [runs] = chosen
    return PanelGrid([[_panel(runs, quantity) for quantity in _QUANTITIES]])


def _panel(runs: GroupRuns, quantity: Quantity) -> Panel:
    """The curves of the variants, and the published one last."""
    panel = level_panel(runs, "variant", quantity, name=str)
    metric = "top_alignment" if quantity is ALIGNMENT else quantity.metric
    both = with_published(panel.curves, runs.plan.group.paper, metric)
    theirs = [replace(line, beside="") for line in both[len(panel.curves) :]]
    return replace(panel, curves=(*panel.curves, *theirs))


def _findings(chosen: Chosen) -> Iterator[str]:
    [runs] = chosen
    variants = runs.by("variant")
    apart = {variant: _distances(each) for variant, each in variants.items()}
    nearest = []
    for label in next(iter(apart.values())):
        best = min(apart, key=lambda variant: apart[variant][label])
        nearest.append(f"{label}: {best} ({number(apart[best][label])})")
    yield f"Nearest to the published curves, of these variants: {'; '.join(nearest)}."
    for variant, each in variants.items():
        shown = ", ".join(f"{label} {number(value)}" for label, value in apart[variant].items())
        yield (
            f"{variant}: median distance from the published curve: {shown}. "
            f"{collapse_sentence(each)}"
        )


def _distances(runs: GroupRuns) -> dict[str, float]:
    """Distance of one variant from the published curve by quantity, that of NRC1 in decades."""
    found = {}
    for quantity in _QUANTITIES:
        ours, *theirs = _panel(runs, quantity).curves
        for line in theirs:
            label = quantity.label.replace("\n", " ")
            found[label] = distance(ours, line, logarithmic=quantity.scale == "log")
    return found


FIGURE = Figure(
    name="variants",
    title="Synthetic data: one unstated setting changed at a time",
    groups=("synthetic-variants",),
    content=_panels,
    findings=_findings,
    order=130,
)
