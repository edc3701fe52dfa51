"""Collapse comes after the losses settle."""

from deepnrc.experiments.paper.claim import ALL, Claim, Groups, Outcome, main_setting
from deepnrc.report.panels import median


def _test(groups: Groups) -> Outcome:
    """Collapse lies between two measured epochs; a loss that settles between them is left out."""
    parts, evidence, left_out = [], [], 0
    for name, runs in main_setting(groups).items():
        agreeing, shown = 0, []
        for run in runs:
            between, settled = run.collapse_interval("all"), run.settled_epoch()
            if between is None or settled is None or between[0] < settled <= between[1]:
                left_out += 1
                continue
            agreeing += between[0] >= settled
            shown.append((float(between[1]), float(settled)))
        parts.append((name, agreeing, len(shown)))
        if shown:
            evidence.append(
                f"{name} {median([collapsed for collapsed, _ in shown]):g} and "
                f"{median([settled for _, settled in shown]):g}"
            )
    return Outcome(
        parts,
        "runs that collapse, by all four conditions, after the training loss has made 90 % of its "
        "decrease",
        f"left out, because they never collapse or the order is unknown: {left_out}; median epochs "
        f"of the two: "
        f"{'; '.join(evidence) or 'none'}",
    )


CLAIM = Claim("Collapse comes after the losses settle.", ALL, _test, order=80)
