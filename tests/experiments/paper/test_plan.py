"""Groups of runs: the papers' settings at full scale, stand-ins only where they are needed."""

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper.group import groups
from deepnrc.experiments.paper.plan import plan_group
from deepnrc.experiments.paper.runs import GroupRuns

SCALES = ("smoke", "cpu", "full")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", groups().names())
def test_each_group_is_valid_at_each_scale(name, scale):
    plan = plan_group(name, scale)
    assert plan.members
    assert len({member.name for member in plan.members}) == len(plan.members)
    assert not any(" " in member.name or "/" in member.name for member in plan.members)
    assert groups().find(name).at(scale).note in plan.note


@pytest.mark.parametrize(
    ("name", "rows", "width", "epochs"),
    [("swimmer", 1000, 256, 1000), ("hopper", 5000, 256, 1000), ("reacher", 1000, 512, 1000)],
)
@pytest.mark.parametrize("scale", ["cpu", "full"])
def test_imitation_has_the_papers_sizes_on_a_cpu_too(name, rows, width, epochs, scale):
    plan = plan_group(name, scale)
    assert len(plan.members) == 5
    for member in plan.members:
        config = member.config
        assert (config.data.samples, config.model.width) == (rows, width)
        assert config.training.epochs == epochs


def test_full_synthetic_runs_have_the_papers_sizes():
    members = plan_group("synthetic-decay", "full").members
    assert {m.config.model.width for m in members} == {1024}
    assert {m.config.training.weight_decay for m in members} == {0.0, 5e-5, 5e-4, 1e-3}


def test_each_seed_may_have_a_teacher_of_its_own():
    seeds = {
        (m.config.seed, m.config.data.seed) for m in plan_group("synthetic-decay", "smoke").members
    }
    assert seeds == {(0, 0), (1, 1)}
    assert {m.config.data.seed for m in plan_group("reacher", "cpu").members} == {0}


def test_seeds_can_be_told():
    assert len(plan_group("reacher", "cpu", seeds=3).members) == 3
    with pytest.raises(ArgumentError, match="seeds must be at least 1; got 0"):
        plan_group("reacher", "cpu", seeds=0)


def test_real_files_take_the_place_of_the_stand_in():
    ours = plan_group("sgemm-decay", "full").members[0].config.data
    assert (ours.name, ours.path) == ("gemm", None)
    real = plan_group("sgemm-decay", "full", paths={"sgemm": "product.csv"}).members[0].config.data
    assert (real.name, real.path, real.samples) == ("sgemm", "product.csv", None)
    pairs = plan_group("hopper", "full", paths={"hopper": "hopper.hdf5"}).members[0].config.data
    assert (pairs.path, pairs.samples) == ("hopper.hdf5", 5000)  # as many as the paper has


def test_a_small_scale_takes_the_first_rows_of_real_files():
    for scale, rows in (("smoke", 200), ("cpu", 5000)):
        plan = plan_group("sgemm-decay", scale, paths={"sgemm": "product.csv"})
        assert {m.config.data.samples for m in plan.members} == {rows}
        assert "300 epochs" not in plan.note


def test_the_stand_ins_schedule_goes_with_the_stand_in():
    ours = plan_group("sgemm-decay", "full")
    assert (ours.members[0].config.training.epochs, ours.members[0].config.training.lr) == (
        300,
        0.05,
    )
    assert ours.note == "300 epochs instead of 200, learning rate .05 instead of .005"
    real = plan_group("sgemm-decay", "full", paths={"sgemm": "product.csv"})
    assert (real.members[0].config.training.epochs, real.members[0].config.training.lr) == (
        200,
        0.005,
    )
    assert real.note == ""


def test_faces_are_stood_in_for_by_the_speed_alone():
    data = plan_group("utkface", "smoke").members[0].config.data
    assert (data.name, data.options, data.samples) == ("carracing", {"speed_only": True}, 40)


def test_a_stand_in_is_called_one():
    for name, dataset in (("utkface", "carracing for utkface"), ("hopper", "hopper")):
        runs = GroupRuns(plan_group(name, "cpu"), (), {})
        assert runs.dataset == dataset
        assert ("(stand-in data)" in runs.title) == (name == "utkface")
