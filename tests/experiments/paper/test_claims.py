"""Claims are judged by counts, on the runs that are there."""

import numpy as np
import pytest

from deepnrc.experiments.paper.claims import CLAIMS, Claim, _verdict, judge


def test_every_claim_is_judged(groups):
    verdicts = judge(groups)
    assert [v.claim for v in verdicts] == [claim.text for claim in CLAIMS]
    assert all(v.runs > 0 and v.evidence for v in verdicts)


def test_without_runs_a_claim_is_open():
    verdicts = judge({})
    assert {v.verdict for v in verdicts} == {"open"}
    assert verdicts[3].evidence == "no runs of true-rank"


@pytest.mark.parametrize(
    ("agreeing", "cases", "expected"),
    [
        (10, 10, "holds"),
        (9, 10, "holds"),
        (89, 100, "holds partly"),
        (5, 10, "holds partly"),
        (49, 100, "does not hold"),
        (0, 3, "does not hold"),
        (0, 0, "open"),
    ],
)
def test_verdicts_by_the_stated_rule(agreeing, cases, expected):
    assert _verdict(agreeing, cases) == expected


def test_noise_without_decay_counts_the_runs_without(groups):
    claim: Claim = next(c for c in CLAIMS if "without weight decay" in c.text)
    here = {name: groups[name] for name in claim.groups}
    agreeing, cases, evidence = claim.test(here)
    runs = [r for g in here.values() for r in g.where(weight_decay=0.0)]
    assert cases == len(runs) == 4
    assert agreeing == sum(r.measurement[-1].noise_component <= 0.1 for r in runs)
    assert evidence.startswith("runs without weight decay whose last layer has NRC1 ≤ 0.1: ")


def test_too_much_decay_compares_with_the_best(groups):
    claim = next(c for c in CLAIMS if c.text.startswith("Too much"))
    runs = groups["depth-decay-width"]
    agreeing, cases, _ = claim.test({"depth-decay-width": runs})
    r2 = {d: [r.measurement.model_r2 for r in runs.where(weight_decay=d)] for d in (0.0, 0.005)}
    best = max(float(np.median(values)) for values in r2.values())
    assert (agreeing, cases) == (sum(value < best - 0.1 for value in r2[0.005]), 8)
