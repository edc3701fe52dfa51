"""Labels and one-hot rows, and what is neither."""

import re

import numpy as np
import pytest
import torch

from deepnrc.activations.labels import check_classes, classes_of, one_hot_rows
from deepnrc.errors import ArgumentError, DataError, NonFiniteError


@pytest.mark.parametrize(
    ("task", "classes", "message"),
    [
        ("classify", None, "task must be 'regression' or 'classification'; got 'classify'"),
        ("regression", 3, "classes must be left out when task='regression'; got 3: pass task="),
        ("classification", 1, "classes must be a whole number of at least 2; got 1"),
        ("classification", 3.0, "classes must be a whole number of at least 2; got 3.0"),
        ("classification", True, "classes must be a whole number of at least 2; got True"),
    ],
)
def test_tasks_and_classes_that_are_none(task, classes, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        check_classes(task, classes)


def test_tasks_and_classes_that_go():
    for task, classes in (("regression", None), ("classification", None), ("classification", 2)):
        check_classes(task, classes)


def test_the_number_of_classes():
    labels, scores = torch.tensor([0, 1]), torch.zeros(2, 5)
    assert classes_of(labels, scores) == 5
    assert classes_of(torch.zeros(2, 7), scores) == 7
    assert classes_of(np.zeros((2, 7)), None) == 7


@pytest.mark.parametrize(
    ("targets", "predictions", "error", "message"),
    [
        (
            torch.tensor([0, 1]),
            torch.zeros(2),
            ArgumentError,
            "the model must return one score for each class, as labels do not tell their number; "
            "got shape (2,): pass forward= that returns the scores, or classes=",
        ),
        (
            torch.tensor([0, 1]),
            torch.zeros(2, 1),
            ArgumentError,
            "got shape (2, 1): pass forward= that returns the scores, or classes=",
        ),
        (
            torch.tensor([0, 1]),
            {"logits": torch.zeros(2, 2)},
            ArgumentError,
            "got a dict: pass forward= that returns the scores, or classes=",
        ),
        (
            torch.tensor([[0], [1]]),
            torch.zeros(2, 2),
            DataError,
            "targets of task='classification' must be labels of shape (samples,) or one-hot rows "
            "of shape (samples, classes); got shape (2, 1): flatten them with unpack=",
        ),
    ],
)
def test_a_number_of_classes_that_nothing_tells(targets, predictions, error, message):
    with pytest.raises(error, match=re.escape(message)):
        classes_of(targets, predictions)


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([2, 0, 1]),
        torch.tensor([2, 0, 1], dtype=torch.uint8),
        torch.tensor([2.0, 0.0, 1.0]),
        np.array([2, 0, 1]),
        [2, 0, 1],
        torch.eye(3)[[2, 0, 1]],
        torch.eye(3, dtype=torch.int64)[[2, 0, 1]],
        np.eye(3)[[2, 0, 1]],
    ],
)
def test_labels_and_one_hot_rows_become_one_hot_rows(labels):
    rows = one_hot_rows(labels, 0, 3)
    assert rows.dtype == torch.float64
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_binary_labels_may_be_booleans():
    assert one_hot_rows(torch.tensor([True, False]), 0, 2).tolist() == [[0, 1], [1, 0]]


def test_positions_are_samples():
    rows = one_hot_rows(torch.eye(3).reshape(1, 3, 3), 0, 3, per_position=True)
    assert rows.tolist() == torch.eye(3).tolist()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            torch.tensor([0.0, 0.5]),
            "labels of batch 4 must be whole numbers from 0 to 2; got 0.5: for real targets leave "
            "task= out",
        ),
        (
            torch.tensor([0, 2, 3, 9]),
            "labels of batch 4 must be from 0 to 2; got 3 in its sample 2: drop ignored samples, "
            "or pass classes=",
        ),
        (
            torch.tensor([0, -100]),
            "must be from 0 to 2; got -100 in its sample 1: drop",
        ),
        (
            torch.eye(4),
            "targets of batch 4 must have 3 columns, one for each class; got 4: yield labels of "
            "shape (samples,) or one-hot rows of shape (samples, classes)",
        ),
        (
            torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]]),
            "targets of batch 4 must be one-hot rows, a single 1 and zeros; got another in its "
            "sample 1: measure soft labels with task='regression'; with a label for each position, "
            "yield one-hot rows of shape (samples, positions, classes)",
        ),
        (torch.tensor([[1.0, 1, 0]]), "a single 1 and zeros; got another in its sample 0: "),
        (torch.zeros(1, 3), "a single 1 and zeros; got another in its sample 0: "),
        (torch.tensor([[2.0, -1, 0]]), "targets of batch 4 must be one-hot rows"),
        (torch.zeros(2, 3, 3), "or (samples, t); got (2, 3, 3): flatten"),
    ],
)
def test_targets_that_are_no_labels(targets, message):
    with pytest.raises(DataError, match=re.escape(message)):
        one_hot_rows(targets, 4, 3)


def test_labels_that_are_not_finite():
    with pytest.raises(NonFiniteError, match="targets of batch 4 hold NaN"):
        one_hot_rows(torch.tensor([0.0, float("nan")]), 4, 3)
