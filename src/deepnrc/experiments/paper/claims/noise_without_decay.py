"""NRC1 may appear without weight decay."""

from deepnrc.experiments.paper.claim import Claim, Groups, Outcome
from deepnrc.report.panels import median
from deepnrc.support.text import number

_COLLAPSED = 0.1  # the default of `deepnrc.diagnose`


def _test(groups: Groups) -> Outcome:
    parts, evidence = [], []
    for runs in groups.values():
        noise = [run.measurement[-1].noise_component for run in runs.where(weight_decay=0.0)]
        parts.append((runs.dataset, sum(value <= _COLLAPSED for value in noise), len(noise)))
        evidence.append(f"{runs.dataset} {number(median(noise))}")
    return Outcome(
        parts,
        f"runs without weight decay whose last layer has NRC1 ≤ {_COLLAPSED}",
        f"medians: {'; '.join(evidence)}",
    )


CLAIM = Claim(
    "NRC1 may appear without weight decay.", ("sgemm-decay", "synthetic-decay"), _test, order=60
)
