"""Figure 3 of [RU26]: low-rank targets show their true rank in the collapsed layers."""

from collections.abc import Mapping
from dataclasses import replace

from deepnrc.experiments.paper.by_layer import collapse_sentence, condition_panel, curve, some_runs
from deepnrc.experiments.paper.published import with_published
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.report.panels import Curve, Panel, PanelFigure, median
from deepnrc.support.text import number

__all__ = ["GROUPS", "TITLE", "make", "rank_panel"]

TITLE = "Low-rank targets: noise, rank of the features, alignment of signal and noise"
GROUPS = ("sgemm-rank1", "synthetic-decay")


def make(groups: Mapping[str, GroupRuns]) -> PanelFigure:
    """One row a data set: NRC1 with r for t, stable rank, alignment of signal and noise."""
    strongest = {"weight_decay": 0.001}  # which decay the paper's row has is not stated
    chosen = [groups["sgemm-rank1"], groups["synthetic-decay"].where(**strongest)]
    return PanelFigure(
        "fig3",
        TITLE,
        tuple(_row(runs) for runs in chosen),
        tuple(runs.made_from for runs in chosen),
        tuple(sentence for runs in chosen for sentence in (collapse_sentence(runs), _rank(runs))),
    )


def _row(runs: GroupRuns) -> tuple[Panel, ...]:
    noise = condition_panel(
        runs, "noise_component", "NRC1 with r for t\nnoise component", "log", title=runs.title
    )
    return noise, rank_panel(runs, noise.mark), _alignment_panel(runs, noise.mark)


def rank_panel(runs: GroupRuns, mark: tuple[str | float, str] | None) -> Panel:
    """The stable rank of the features' covariance by layer, beside that of the targets'."""
    each = some_runs(runs)
    features = curve(each, lambda layer: layer.covariance_stable_rank, "our runs")
    targets = {run.seed: (_target_rank(run.measurement.target_eigenvalues),) for run in each}
    lines = {seed: value * len(features.x) for seed, value in targets.items()}
    return Panel(
        title="",
        dataset=runs.dataset,
        quantity="stable rank\nof the covariance",
        curves=with_published(
            (features, Curve("the targets' stable rank", features.x, lines, "reference")),
            runs.plan.group.paper,
            "covariance_stable_rank",
        ),
        mark=mark,
    )


def _alignment_panel(runs: GroupRuns, mark: tuple[str | float, str] | None) -> Panel:
    each = some_runs(runs)
    top = curve(each, lambda layer: layer.feature_weight_alignment, "our runs")
    noise = curve(each, lambda layer: layer.noise_weight_alignment, "noise directions")
    curves = with_published((top,), runs.plan.group.paper, "top_alignment")
    theirs = with_published((noise,), runs.plan.group.paper, "noise_weight_alignment")[1:]
    return Panel(
        title="",
        dataset=runs.dataset,
        quantity="NRC3\nalignment with the weight",
        curves=(
            *curves,
            Curve(noise.label, noise.x, noise.values, "noise"),
            *(replace(c, label="published, noise") for c in theirs),
        ),
        scale="unit",
        mark=mark,
    )


def _target_rank(eigenvalues: tuple[float, ...]) -> float:
    """‖Σ‖_F²/‖Σ‖_2², as the paper's figures show it."""
    return sum(value**2 for value in eigenvalues) / eigenvalues[0] ** 2


def _rank(runs: GroupRuns) -> str:
    each = some_runs(runs)
    found = [run.diagnosis.intrinsic_dimension for run in each]
    last = median([run.measurement[-1].covariance_stable_rank for run in each])
    targets = median([_target_rank(run.measurement.target_eigenvalues) for run in each])
    shown = ", ".join("none" if value is None else str(value) for value in found)
    return (
        f"{runs.title}: stable rank of the last layer's features {number(last)}, of the targets "
        f"{number(targets)}; intrinsic dimension by seed: {shown}."
    )
