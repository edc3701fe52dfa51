"""The members of a sweep: every combination, each with a stable name."""

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.training.sweeps.expand import expand
from sweeping import make


def names(*arguments, **options):
    return [member.name for member in expand(make, *arguments, **options)]


def test_every_combination_with_every_seed():
    members = expand(make, ["training.weight_decay=0,5e-4", "model.depth=2,3"], seeds=2)
    assert [member.name for member in members] == [
        "weight_decay=0_depth=2_seed=0",
        "weight_decay=0_depth=2_seed=1",
        "weight_decay=0_depth=3_seed=0",
        "weight_decay=0_depth=3_seed=1",
        "weight_decay=0.0005_depth=2_seed=0",
        "weight_decay=0.0005_depth=2_seed=1",
        "weight_decay=0.0005_depth=3_seed=0",
        "weight_decay=0.0005_depth=3_seed=1",
    ]
    last = members[-1]
    assert (last.config.training.weight_decay, last.config.model.depth, last.config.seed) == (
        5e-4,
        3,
        1,
    )
    assert last.settings == {"training.weight_decay": 5e-4, "model.depth": 3}


def test_a_value_names_the_same_member_however_it_is_written():
    assert names(["training.lr=5e-2"]) == names(["training.lr= 0.05 "]) == ["lr=0.05_seed=0"]
    assert names(["training.lr=0.123456789"]) == ["lr=0.123456789_seed=0"]


def test_seeds_follow_the_experiments_own():
    def seeded(overrides):
        return make(["seed=5", *overrides])

    assert [member.config.seed for member in expand(seeded, [], seeds=3)] == [5, 6, 7]
    assert names([]) == ["seed=0"]


def test_lists_and_words_are_values_too():
    assert names(["training.milestones=[0.5,0.9],[0.5]"]) == [
        "milestones=[0.5,-0.9]_seed=0",
        "milestones=[0.5]_seed=0",
    ]
    assert names(["model.activation=relu,tanh"]) == [
        "activation=relu_seed=0",
        "activation=tanh_seed=0",
    ]
    assert names(["data.options.rank=1,2"]) == ["rank=1_seed=0", "rank=2_seed=0"]


def test_keys_of_one_ending_are_told_apart():
    assert names(["data.samples=50", "measure.samples=20"]) == [
        "data.samples=50_measure.samples=20_seed=0"
    ]
    # What could leave the folder does not come into its name.
    assert "/" not in names(["data.path=../a/b"])[0]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["training.lr"], r"--over training.lr: expected KEY=VALUE,VALUE,…, such as training.wei"),
        (["training.lr="], r"--over training.lr=: expected KEY=VALUE"),
        (["training.lr=1,,2"], r"expected KEY=VALUE"),
        (["training.lr=1,"], r"expected KEY=VALUE"),
        (["=1"], r"expected KEY=VALUE"),
        (["training.lr=0.1,1e-1"], r"--over: two members would be 'lr=0.1_seed=0': give each val"),
        (["training.lr=1", "training.lr=2"], r"--over training.lr: it is swept over twice; give"),
        (["seed=1,2"], r"--over seed: the seeds come from --seeds"),
        (["training.weight_decy=1"], r"unknown key 'training.weight_decy': did you mean"),
        (["training.lr=-1"], r"'training.lr' should be greater than 0"),
    ],
)
def test_what_cannot_be_swept_is_named(over, message):
    with pytest.raises(ArgumentError, match=message):
        expand(make, over)


def test_no_seeds_are_refused():
    with pytest.raises(ArgumentError, match="seeds must be at least 1; got 0"):
        expand(make, [], seeds=0)
