"""Which layers are collapsed in the runs of a group, as a mark and in words."""

from collections.abc import Sequence

from deepnrc.experiments.paper.published import published
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.report.panels import median
from deepnrc.support.text import counted, number

__all__ = ["collapse_sentence", "decay_sentences", "first_collapsed"]


def first_collapsed(runs: Sequence[FinishedRun]) -> str | None:
    """The first collapsed layer of the median seed; None if half of the seeds or more have none."""
    names = runs[0].measurement.names
    middle = sorted(_position(run, "all") for run in runs)[len(runs) // 2]
    return None if middle == len(names) else names[middle]


def collapse_sentence(runs: GroupRuns) -> str:
    """In how many seeds which layers are collapsed, and NRC1 and the error at the end."""
    each = runs.runs
    if not each:
        return f"{runs.title}: no run finished ({len(runs.failed)} failed)."
    last = each[0].measurement.names[-1]
    noise = median([run.measurement[-1].noise_component for run in each])
    error = median([run.measurement.model_mse for run in each])
    lost = f" ({counted(len(runs.failed), 'run')} failed)" if runs.failed else ""
    return (
        f"{runs.title}: collapsed by all four conditions {_extent(each, 'all')}, by NRC1 alone "
        f"{_extent(each, 'nrc1')}; NRC1 at {last} {number(noise)}, MSE {number(error)}{lost}."
        f"{_paper_sentence(runs)}"
    )


def decay_sentences(chosen: Sequence[GroupRuns]) -> tuple[str, ...]:
    """What is collapsed under each weight decay."""
    return tuple(
        f"decay {value:g}: {collapse_sentence(each)}"
        for runs in chosen
        for value, each in runs.by("weight_decay").items()
    )


def _extent(each: Sequence[FinishedRun], rule: str) -> str:
    names = each[0].measurement.names
    found = sorted(place for run in each if (place := _position(run, rule)) < len(names))
    if not found:
        return "in no seed"
    low, high = names[found[0]], names[found[-1]]
    return f"from {low if low == high else f'{low}–{high}'} on in {len(found)} of {len(each)} seeds"


def _position(run: FinishedRun, rule: str) -> int:
    """The position of the first collapsed layer; the number of layers if there is none."""
    first = dict(run.diagnosis.first_collapsed_by_rule)[rule]
    names = run.measurement.names
    return len(names) if first is None else names.index(first)


def _paper_sentence(runs: GroupRuns) -> str:
    theirs = published(runs.plan.group.paper, "noise_component")
    if theirs is None:
        return ""
    error = published(runs.plan.group.paper, "linear_prediction_mse")
    own = ""
    if error is not None and error.reference is not None and not runs.stand_in:
        own = f" and the MSE {number(error.reference)}"
    return f" In the paper the first collapsed layer is {theirs.first_collapsed_layer}{own}."
