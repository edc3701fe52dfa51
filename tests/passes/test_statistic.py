"""How many passes there are follows from what the statistics need."""

import pytest
import torch

import deepnrc
from deepnrc.metrics.view import Undefined
from deepnrc.passes.layer_statistics import CentredUnitRows, ClassSpread, JointMoments
from deepnrc.passes.statistic import Statistic, Sums, stages
from helpers import regression_data, small_network


class Needing(Statistic):
    def __init__(self, name, *needs):
        self.name, self.needs = name, needs

    def start(self, site):
        return None


def test_each_statistic_is_summed_as_early_as_its_needs_allow():
    a, b, c, d = Needing("a"), Needing("b", "a"), Needing("c"), Needing("d", "b", "c")
    assert stages([a, b, c, d]) == [[a, c], [b], [d]]
    assert stages([]) == []


def test_a_need_that_is_not_summed_is_an_error():
    with pytest.raises(KeyError, match="moments"):
        stages([CentredUnitRows()])


def test_memory_of_a_few_numbers_is_none():
    assert Needing("a").nbytes([3, 4], 2) == ClassSpread().nbytes([3], 2) == 0
    assert JointMoments("mixed").nbytes([3, 4], 2) > 8 * (3 * 3 + 4 * 4)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, 1),
        ({"last_layer": "paper2024"}, 1),
        ({"last_layer": "centred"}, 2),
        ({"task": "classification", "classes": 2}, 2),
    ],
)
def test_passes_over_the_data(options, passes):
    x, y = regression_data(40)
    if "task" in options:
        y = (y[:, 0] > 0).long()
    read = []

    class Loader(list):
        def __iter__(self):
            read.append(1)
            return super().__iter__()

    deepnrc.measure(small_network(), Loader([(x, y)]), progress=False, **options)
    assert len(read) == passes


def test_sums_ignore_predictions_unless_they_want_them():
    class Rows(Sums):
        def add(self, rows, targets):
            pass

        def result(self):
            return 0

    assert Rows().end_batch(torch.zeros(3, 1)) is None
    assert Rows().end_batch(Undefined("none")) is None
