"""Claims are judged by counts, on the runs that are there."""

import math
from types import SimpleNamespace

import pytest

from deepnrc.experiments.paper.catalog import all_claims, claims
from deepnrc.experiments.paper.claim import Claim, Outcome, judge, main_setting, verdict
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns


def claim_that(starts):
    [claim] = (claims().find(text) for text in claims().names() if text.startswith(starts))
    return claim


def test_every_claim_is_judged(groups):
    verdicts = judge(all_claims(), groups)
    assert [v.claim for v in verdicts] == [claim.text for claim in all_claims()]
    assert all(v.evidence and "{" not in v.evidence for v in verdicts)
    assert sum(v.cases > 0 for v in verdicts) >= 5  # three epochs collapse little


def test_each_group_counts_though_two_have_one_data_set(groups):
    claim = claim_that("Collapse occurs")
    here = {name: groups[name] for name in ("synthetic-decay", "synthetic-wide", "hopper")}
    parts = claim.test(here).parts
    assert [name for name, _, _ in parts] == ["synthetic-decay", "synthetic-wide", "hopper"]
    assert [cases for _, _, cases in parts] == [2, 2, 2]


def test_without_runs_a_claim_is_open():
    verdicts = judge(all_claims(), {})
    assert {v.verdict for v in verdicts} == {"open"}
    assert verdicts[3].evidence == "no runs of true-rank"


def test_a_claim_whose_test_fails_is_open_and_the_others_are_judged(groups):
    broken = Claim("Own.", ("hopper",), lambda groups: groups["swimmer"])
    fine = Claim("Fine.", ("hopper",), lambda groups: Outcome([("hopper", 1, 1)], "runs"))
    first, second = judge([broken, fine], groups)
    assert (first.verdict, first.evidence) == ("open", "its test failed (KeyError: 'swimmer')")
    assert second.verdict == "holds"


@pytest.mark.parametrize(
    ("agreeing", "cases", "universal", "expected"),
    [
        (10, 10, False, "holds"),
        (9, 10, False, "holds"),
        (89, 100, False, "holds partly"),
        (5, 10, False, "holds partly"),
        (49, 100, False, "does not hold"),
        (0, 3, False, "does not hold"),
        (0, 0, False, "open"),
        (99, 100, True, "does not hold"),
        (100, 100, True, "holds"),
    ],
)
def test_verdicts_by_the_stated_rule(agreeing, cases, universal, expected):
    outcome = Outcome([("a", agreeing, cases)], "runs that do", universal=universal)
    assert verdict(outcome) == expected
    assert outcome.describe() == f"runs that do: {f'a {agreeing} of {cases}' if cases else 'none'}"


def test_evidence_is_the_counts_and_what_else_there_is():
    outcome = Outcome([("a", 1, 2), ("b", 0, 0), ("c", 3, 3)], "runs {that} do", "medians: 4")
    assert outcome.describe() == "runs {that} do: a 1 of 2; c 3 of 3; medians: 4"


def test_of_swept_groups_the_largest_decay_is_shown(groups):
    shown = main_setting({name: groups[name] for name in ("hopper", "sgemm-decay", "utkface")})
    assert list(shown) == ["hopper", "sgemm-decay", "utkface"]
    assert shown["hopper"] is groups["hopper"]
    assert [r.member.settings for r in shown["sgemm-decay"]] == [
        {"training.weight_decay": 1e-3}
    ] * 2


def test_noise_without_decay_counts_the_runs_without(groups):
    claim = claim_that("NRC1 may appear")
    here = {name: groups[name] for name in claim.groups}
    outcome = claim.test(here)
    runs = [r for g in here.values() for r in g.where(weight_decay=0.0)]
    assert outcome.cases == len(runs) == 4
    assert outcome.agreeing == sum(r.measurement[-1].noise_component <= 0.1 for r in runs)
    assert outcome.counted.startswith("runs without weight decay whose last layer has NRC1 ≤ 0.1")


def collapsed(noise, mse, *, seed=0, decay=0.0):
    """A run with NRC1 at its layers and an error."""
    layers = [SimpleNamespace(noise_component=value) for value in noise]
    measurement = SimpleNamespace(layers=layers, model_mse=mse, model_r2=1 - mse)
    settings = {"depth": 3, "width": 8, "weight_decay": decay}
    member = SimpleNamespace(config=SimpleNamespace(seed=seed), settings=settings)
    run = object.__new__(FinishedRun)
    object.__setattr__(run, "measurement", measurement)
    object.__setattr__(run, "member", member)
    return run


class Told(GroupRuns):
    """Runs with their settings."""

    def __init__(self, runs):
        object.__setattr__(self, "runs", runs)

    def __iter__(self):
        return iter(self.runs)

    def where(self, **settings):
        return Told([r for r in self.runs if settings.items() <= r.member.settings.items()])

    def values(self, key):
        return sorted({run.member.settings[key] for run in self.runs})


@pytest.mark.parametrize(
    ("noise", "mse", "expected"),
    [
        ((0.9, 0.05, 0.1), 0.2, 1),
        ((0.9, math.nan, 0.1), 0.2, 1),  # features of 0: collapsed to nothing
        ((0.9, 0.05, 0.2), 0.2, 0),  # not all of it collapsed
        ((0.9, 0.05, 0.1), 0.19, 0),  # the error is not doubled
    ],
)
def test_too_much_decay_is_both_collapse_and_a_worse_fit(noise, mse, expected):
    claim = claim_that("Too much")
    other_seed = collapsed((0.9, 0.9, 0.9), 0.001, seed=1)
    runs = Told([collapsed((0.9, 0.9, 0.9), 0.1), other_seed, collapsed(noise, mse, decay=0.1)])
    outcome = claim.test({"depth-decay-width": runs})
    assert (outcome.agreeing, outcome.cases) == (expected, 1)


def test_a_vacuous_bound_is_no_evidence(groups):
    claim = claim_that("Proposition")
    outcome = claim.test({"hopper": groups["hopper"]})
    bounds = [b for run in groups["hopper"] for b in run.diagnosis.bounds]
    assert outcome.universal
    assert outcome.cases == sum(b.bound < 1.0 for b in bounds if b.holds is not None)
    assert outcome.cases < len(bounds)
