"""Targets of a classification task: labels or one-hot rows, as a matrix of one-hot rows."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.activations.batches import target_rows
from deepnrc.errors import ArgumentError, DataError

__all__ = ["check_classes", "classes_of", "one_hot_rows"]


def check_classes(task: str, classes: object) -> None:
    """Check the task, and that the number of classes fits it.

    Raises:
        ArgumentError: The task is unknown, it is a regression with a number of classes, or there
            are fewer than two classes.
    """
    if task not in ("regression", "classification"):
        raise ArgumentError(f"task must be 'regression' or 'classification'; got {task!r}")
    if classes is None:
        return
    if task == "regression":
        raise ArgumentError(
            f"classes must be left out when task='regression'; got {classes!r}: pass "
            "task='classification' to measure a classifier"
        )
    if not isinstance(classes, int) or classes < 2:
        raise ArgumentError(f"classes must be a whole number of at least 2; got {classes!r}")


def classes_of(targets: Any, predictions: Any) -> int:
    """Number of classes: columns of one-hot rows, or else of the network's scores.

    Args:
        targets: A batch's labels or one-hot rows.
        predictions: What the model returned for it.

    Raises:
        ArgumentError: The targets are labels and the predictions are not one score for each class.
        DataError: The targets have a single column, so are neither labels nor one-hot rows.
    """
    if np.ndim(targets) > 1:
        if np.shape(targets)[-1] < 2:
            raise DataError(
                "targets of task='classification' must be labels of shape (samples,) or one-hot "
                f"rows of shape (samples, classes); got shape {tuple(np.shape(targets))}: flatten "
                "them with unpack="
            )
        return int(np.shape(targets)[-1])
    if isinstance(predictions, Tensor) and predictions.ndim >= 2 and predictions.shape[-1] >= 2:
        return predictions.shape[-1]
    got = (
        f"shape {tuple(predictions.shape)}"
        if isinstance(predictions, Tensor)
        else f"a {type(predictions).__name__}"
    )
    raise ArgumentError(
        "the model must return one score for each class, as labels do not tell their number; got "
        f"{got}: pass forward= that returns the scores, or classes="
    )


def one_hot_rows(targets: Any, batch: int, classes: int, *, per_position: bool = False) -> Tensor:
    """Labels or one-hot rows as an N × C float64 matrix of zeros and ones on the CPU.

    Args:
        targets: Whole numbers from 0 to C − 1, (N,); or one-hot rows, (N, C).
        batch: Number of the batch, for messages.
        classes: C.
        per_position: Whether axes between the first and the last are positions, each a sample.

    Raises:
        DataError: The labels are not whole numbers or out of range, or the rows are not one-hot.
        NonFiniteError: The targets hold NaN or infinity.
    """
    rows = target_rows(targets, batch, per_position=per_position)
    if np.ndim(targets) == 1:
        numbers = rows.long().flatten()
        if not bool((rows.flatten() == numbers).all()):
            raise DataError(
                f"labels of batch {batch} must be whole numbers from 0 to {classes - 1}; got "
                f"{float(rows.flatten()[rows.flatten() != numbers][0]):g}: for real targets leave "
                "task= out"
            )
        outside = (numbers < 0) | (numbers >= classes)
        if bool(outside.any()):
            raise DataError(
                f"labels of batch {batch} must be from 0 to {classes - 1}; got "
                f"{int(numbers[outside][0])} in its sample {int(torch.nonzero(outside)[0])}: drop "
                "ignored samples, or pass classes="
            )
        return torch.nn.functional.one_hot(numbers, classes).double()
    if rows.shape[1] != classes:
        raise DataError(
            f"targets of batch {batch} must have {classes} columns, one for each class; got "
            f"{rows.shape[1]}: yield labels of shape (samples,) or one-hot rows of shape (samples, "
            "classes)"
        )
    is_one_hot = ((rows == 0) | (rows == 1)).all(1) & (rows.sum(1) == 1)
    if not bool(is_one_hot.all()):
        raise DataError(
            f"targets of batch {batch} must be one-hot rows, a single 1 and zeros; got another in "
            f"its sample {int(torch.nonzero(~is_one_hot)[0])}: measure soft labels with "
            "task='regression'; with a label for each position, yield one-hot rows of shape "
            "(samples, positions, classes)"
        )
    return rows
