"""Collapse occurs below the last layer."""

from deepnrc.experiments.paper.claim import ALL, Claim, Groups, Outcome, main_setting
from deepnrc.experiments.paper.runs import FinishedRun


def _test(groups: Groups) -> Outcome:
    parts, by_noise = [], []
    for name, runs in main_setting(groups).items():
        collapsed = sum(len(run.diagnosis.collapsed_layers) > 1 for run in runs)
        parts.append((name, collapsed, len(runs)))
        by_noise.append(f"{name} {sum(_collapsed_by_noise(run) > 1 for run in runs)}")
    return Outcome(
        parts,
        "runs with two or more collapsed layers by all four conditions",
        f"by NRC1 alone: {'; '.join(by_noise)}",
    )


def _collapsed_by_noise(run: FinishedRun) -> int:
    first = dict(run.diagnosis.first_collapsed_by_rule)["nrc1"]
    names = run.measurement.names
    return 0 if first is None else len(names) - names.index(first)


CLAIM = Claim("Collapse occurs below the last layer.", ALL, _test, order=10)
