"""Figure 3 of [RU26]: low-rank targets show their true rank in the collapsed layers."""

from collections.abc import Iterator
from dataclasses import replace

from deepnrc.experiments.paper.collapse import collapse_sentence
from deepnrc.experiments.paper.figure import Chosen, Figure
from deepnrc.experiments.paper.layer_panels import (
    COVARIANCE_RANK,
    condition_panel,
    curve,
    target_rank,
)
from deepnrc.experiments.paper.published import with_published
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Panel, PanelGrid, median
from deepnrc.report.quantities import NOISE
from deepnrc.support.text import number


def _rows(chosen: Chosen) -> PanelGrid:
    """One row per data set: NRC1 with r for t, stable rank, alignment of signal and noise."""
    quantity = replace(NOISE, label="NRC1 with r for t\nnoise component")
    rows = []
    for runs in chosen:
        noise = condition_panel(runs, quantity, title=runs.title)
        rows.append((noise, condition_panel(runs, COVARIANCE_RANK), _alignment(runs, noise)))
    return PanelGrid(rows)


def _alignment(runs: GroupRuns, beside: Panel) -> Panel:
    """The alignment of signal and noise directions with the weight, each with the published one."""
    each, paper = runs.require(), runs.plan.group.paper
    top = curve(each, lambda layer: layer.feature_weight_alignment, "our runs")
    noise = curve(each, lambda layer: layer.noise_weight_alignment, "noise directions", "noise")
    ours, *theirs = with_published((noise,), paper, "noise_weight_alignment")
    return Panel(
        title="",
        dataset=runs.dataset,
        quantity="NRC3\nalignment with the weight",
        curves=(
            *with_published((top,), paper, "top_alignment"),
            ours,
            *(replace(line, label="published, noise") for line in theirs),
        ),
        scale="unit",
        mark=beside.mark,
    )


def _findings(chosen: Chosen) -> Iterator[str]:
    for runs in chosen:
        each = runs.require()
        last = median([run.measurement[-1].covariance_stable_rank for run in each])
        targets = median([target_rank(run) for run in each])
        found = [run.diagnosis.intrinsic_dimension for run in each]
        shown = ", ".join("none" if value is None else str(value) for value in found)
        yield collapse_sentence(runs)
        yield (
            f"{runs.title}: stable rank of the last layer's features {number(last)}, of the "
            f"targets {number(targets)}; intrinsic dimension by seed: {shown}."
        )


FIGURE = Figure(
    name="fig3",
    title="Low-rank targets: noise, rank of the features, alignment of signal and noise",
    groups=("sgemm-rank1", "synthetic-decay"),
    only={"synthetic-decay": {"weight_decay": 0.001}},  # the paper does not state which
    content=_rows,
    findings=_findings,
    order=30,
)
