"""What is read back from the runs: epochs of collapse, medians, what failed."""

from types import SimpleNamespace

import pytest

from deepnrc.errors import DataError
from deepnrc.experiments.paper.plan import plan_group
from deepnrc.experiments.paper.runs import FinishedRun, GroupRuns
from deepnrc.experiments.paper.train import finished_runs


class Told(FinishedRun):
    """A run whose history is told."""

    def __init__(self, collapsed):
        object.__setattr__(self, "told", collapsed)

    @property
    def history(self):
        return tuple((epoch, here) for epoch, here in self.told)


@pytest.mark.parametrize(
    ("collapsed", "expected"),
    [
        ([(0, False), (5, True), (9, True)], 5),
        ([(0, True), (5, False), (9, True)], 9),  # lost again: does not count
        ([(0, True), (9, False)], None),
        ([(0, True), (9, True)], 0),
        ([], None),
    ],
)
def test_the_first_collapsed_epoch_is_the_one_that_lasts(monkeypatch, collapsed, expected):
    monkeypatch.setattr(
        "deepnrc.experiments.paper.runs.diagnose",
        lambda here, rule: SimpleNamespace(first_collapsed_layer="fc1" if here else None),
    )
    assert Told(collapsed).first_collapsed_epoch("all") == expected


def test_collapse_lies_between_two_measured_epochs(monkeypatch):
    monkeypatch.setattr(
        "deepnrc.experiments.paper.runs.diagnose",
        lambda here, rule: SimpleNamespace(first_collapsed_layer="fc1" if here else None),
    )
    run = Told([(0, True), (4, False), (9, True), (20, True)])
    assert run.collapse_interval("all") == (4, 9)
    assert Told([(0, True), (9, True)]).collapse_interval("all") == (-1, 0)


@pytest.mark.parametrize(
    ("epochs", "expected"), [([3, 5, 9], 5), ([3, None, 9], 9), ([3, None, None], None), ([4], 4)]
)
def test_the_median_seed_counts_those_that_never_collapse_as_last(monkeypatch, epochs, expected):
    monkeypatch.setattr(Told, "first_collapsed_epoch", lambda run, rule: run.told[rule])
    runs = tuple(Told({"all": epoch}) for epoch in epochs)
    plan = plan_group("hopper", "smoke")
    assert GroupRuns(plan, runs, {}).first_collapsed_epoch("all") == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 0.5, 0.09, 0.05, 0.0], 3),
        ([1.0, 1.0], None),
        ([1.0, 0.9, 1.1], None),
        ([1.0, 0.0, 0.5, 0.0], 4),
        ([2.0, 1.5, 1.09, 1.0], 3),
    ],
)
def test_losses_are_settled_after_nine_tenths_of_their_way(losses, expected):
    run = Told([])
    run.__dict__["log"] = [{"epoch": i, "train_loss": x} for i, x in enumerate(losses, start=1)]
    assert run.settled_epoch() == expected


def test_an_unfinished_run_is_none_of_the_group(miniature_runs):
    plans, out = miniature_runs
    plan = next(plan for plan in plans if plan.name == "hopper")
    folder = out / plan.members[0].name
    sessions = folder / "sessions.jsonl"
    text = sessions.read_text()
    try:
        sessions.write_text(text.splitlines(keepends=True)[0])
        assert [run.seed for run in finished_runs([plan], out)["hopper"]] == [1]
    finally:
        sessions.write_text(text)


def test_settings_choose_runs(groups):
    runs = groups["synthetic-decay"]
    assert runs.values("weight_decay") == [0.0, 0.001]
    assert [run.seed for run in runs.where(weight_decay=0.001)] == [0, 1]
    assert len(runs.where(weight_decay=7.0)) == 0


def test_a_setting_has_the_failures_of_its_own_runs(groups):
    runs = groups["synthetic-decay"]
    [name, *_] = (m.name for m in runs.plan.members)
    lost = GroupRuns(runs.plan, runs.runs[1:], {name: "nan"})
    assert lost.where(weight_decay=0.0).failed == {name: "nan"}
    assert lost.where(weight_decay=0.001).failed == {}
    assert lost.values("weight_decay") == [0.0, 0.001]
    assert {value: len(each) for value, each in lost.by("weight_decay").items()} == {
        0.0: 1,
        0.001: 2,
    }


def test_runs_that_are_needed_must_be_there(groups):
    runs = groups["hopper"]
    assert runs.require() == runs.runs
    with pytest.raises(DataError, match="Hopper, 8 × 256: no run finished"):
        runs.where(weight_decay=7.0).require()
