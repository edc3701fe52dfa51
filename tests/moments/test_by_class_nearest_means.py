"""Nearest class means: ties, classes never seen, means far from the origin."""

import numpy as np
import pytest
import torch

from deepnrc.moments import by_class as module
from deepnrc.moments.by_class import ClassMoments, nearest_means


def moments(means, counts=None):
    means = torch.as_tensor(means, dtype=torch.float64)
    counts = torch.ones(len(means), dtype=torch.int64) if counts is None else torch.tensor(counts)
    return ClassMoments(counts, means, torch.zeros(len(means), dtype=torch.float64))


def test_no_rows():
    assert nearest_means(torch.zeros(0, 2), moments([[0, 0], [1, 1]])).tolist() == []


def test_a_class_that_was_not_seen_is_never_nearest():
    classes = moments([[5, 5], [0, 0], [1, 1]], counts=[3, 0, 2])
    rows = torch.tensor([[0.1, 0.0], [4.0, 4.0]])
    assert nearest_means(rows, classes).tolist() == [2, 0]


def test_the_first_of_equals():
    assert nearest_means(torch.zeros(1, 2), moments([[1, 0], [-1, 0], [0, 1]])).tolist() == [0]


@pytest.mark.parametrize(("dtype", "scale"), [(torch.float32, 8), (torch.float64, 1)])
def test_nearest_is_by_distance_also_far_from_the_origin(rng, dtype, scale):
    """At 1e8 squares are 1e16 and round to whole numbers; float32 itself steps by 8 there."""
    means = scale * rng.standard_normal((5, 4)) * [[1], [2], [3], [1], [2]] + 1e8
    rows = torch.as_tensor(2 * scale * rng.standard_normal((200, 4)) + 1e8, dtype=dtype)
    distances = ((rows.double().numpy()[:, None] - means) ** 2).sum(2)
    assert nearest_means(rows, moments(means)).tolist() == distances.argmin(1).tolist()


def test_many_rows_are_taken_in_pieces(rng, monkeypatch):
    rows, classes = torch.from_numpy(rng.standard_normal((50, 3))), moments(np.eye(3))
    whole = nearest_means(rows, classes)
    monkeypatch.setattr(module, "_ROWS", 7)
    assert torch.equal(nearest_means(rows, classes), whole)
