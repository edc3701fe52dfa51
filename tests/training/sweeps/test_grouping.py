"""Which experiments are trained at once."""

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.training.config import ExperimentConfig
from deepnrc.training.sweeps.grouping import ensemble_groups
from helpers import small_experiment as config


def test_who_can_go_together():
    configs = [
        config(),
        config(1, lr=1.0, weight_decay=0.5, schedule="constant"),
        config(model={"width": 9}),
        config(2, milestones=[0.5], gamma=0.5, decay="matrices"),
        config(compile=True),
        config(1, model={"width": 9}),
        config(3, compile=True),
        config(measure={"epochs": [6]}),
        config(data={"samples": 99}),
        config(batch_size=8),
        config(optimizer="adam"),
        config(device="cpu"),
        config(epochs=7),
        config(data={"split_seed": 1}),
    ]
    others = [[number] for number in range(7, 14)]
    assert ensemble_groups(configs, 9) == [[0, 1, 3], [2, 5], [4], [6], *others]
    assert ensemble_groups(configs, 1) == [[number] for number in range(14)]
    assert ensemble_groups([], 3) == []


def test_images_go_alone():
    values = {**config().model_dump(), "model": {"kind": "resnet18"}}
    assert ensemble_groups([ExperimentConfig.model_validate(values)] * 2, 4) == [[0], [1]]


@pytest.mark.parametrize(
    ("size", "lengths"), [(2, [1, 2, 2]), (3, [2, 3]), (4, [2, 3]), (5, [5]), (99, [5])]
)
def test_those_of_a_kind_are_spread_evenly(size, lengths):
    found = ensemble_groups([config(seed) for seed in range(5)], size)
    assert [len(group) for group in found] == lengths
    assert [number for group in found for number in group] == [0, 1, 2, 3, 4]


def test_fewer_than_one_at_a_time_is_refused():
    message = "together must be at least 1, the number of runs that are trained at once; got 0"
    with pytest.raises(ArgumentError, match=message):
        ensemble_groups([config()], 0)
