"""NRC3 needs weight decay."""

from deepnrc.experiments.paper.claim import Claim, Groups, Outcome
from deepnrc.experiments.paper.runs import FinishedRun
from deepnrc.report.panels import median
from deepnrc.support.text import number

_ALIGNED = 0.8  # the default of `deepnrc.diagnose`


def _test(groups: Groups) -> Outcome:
    parts, evidence = [], []
    for runs in groups.values():
        by_decay = runs.by("weight_decay")
        most = max(by_decay)
        if min(by_decay) != 0.0 or most == 0.0:
            continue
        pairs = [
            (_alignment(without), _alignment(with_))
            for without in by_decay[0.0]
            for with_ in by_decay[most]
            if without.seed == with_.seed
        ]
        agreeing = sum(without < _ALIGNED <= with_ for without, with_ in pairs)
        parts.append((runs.dataset, agreeing, len(pairs)))
        evidence.append(
            f"{runs.dataset} {number(median([a for a, _ in pairs]))} without decay, "
            f"{number(median([b for _, b in pairs]))} with {most:g}"
        )
    return Outcome(
        parts,
        f"seeds whose NRC3 (median of the upper half of the layers) is below {_ALIGNED} without "
        f"decay and at least {_ALIGNED} with the largest",
        f"medians: {'; '.join(evidence)}",
    )


def _alignment(run: FinishedRun) -> float:
    layers = run.measurement.layers
    return median([layer.feature_weight_alignment for layer in layers[len(layers) // 2 :]])


CLAIM = Claim("NRC3 needs weight decay.", ("sgemm-decay", "synthetic-decay"), _test, order=50)
