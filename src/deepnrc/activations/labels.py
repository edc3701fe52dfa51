"""What a loader of a classification task yields as targets: labels, made into one-hot rows."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.activations.batches import target_rows
from deepnrc.errors import ArgumentError, DataError

__all__ = ["check_classes", "classes_of", "one_hot_rows"]


def check_classes(task: str, classes: object) -> None:
    """Refuse a task that is none, or a number of classes that does not go with it.

    Raises:
        ArgumentError: Unknown task, ``classes`` for a regression, or fewer than two classes.
    """
    if task not in ("regression", "classification"):
        raise ArgumentError(f"task must be 'regression' or 'classification'; got {task!r}")
    if classes is None:
        return
    if task == "regression":
        raise ArgumentError(
            f"classes={classes!r} goes with task='classification'; the task is 'regression'"
        )
    if not isinstance(classes, int) or classes < 2:
        raise ArgumentError(f"classes must be a whole number of at least 2; got {classes!r}")


def classes_of(targets: Any, predictions: Any) -> int:
    """How many classes there are: a one-hot row's width, else the scores the network gives.

    Args:
        targets: A batch's labels or one-hot rows.
        predictions: What the model returned for it.

    Raises:
        ArgumentError: Neither tells.
        DataError: Rows of a single column are neither labels nor one-hot.
    """
    if np.ndim(targets) > 1:
        if np.shape(targets)[-1] < 2:
            raise DataError(
                f"targets have shape {tuple(np.shape(targets))}; task='classification' takes "
                "labels of shape (samples,) or one-hot rows of shape (samples, classes): flatten "
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
        "the number of classes is not known: labels are whole numbers and the model returned "
        f"{got}, not one score a class; pass forward= that returns scores, or classes="
    )


def one_hot_rows(targets: Any, batch: int, classes: int, *, per_position: bool = False) -> Tensor:
    """Labels or one-hot rows as an N × C float64 matrix of zeros and ones on the CPU.

    Args:
        targets: Whole numbers from 0 to C − 1, (N,); or one-hot rows, (N, C).
        batch: The batch's number, for messages.
        classes: C.
        per_position: Whether further axes before the last are positions, each a sample.

    Raises:
        DataError: Labels that are no whole numbers or out of range; rows that are not one-hot.
        NonFiniteError: NaN or infinity among them.
    """
    rows = target_rows(targets, batch, per_position=per_position)
    if np.ndim(targets) == 1:
        numbers = rows.long().flatten()
        if not bool((rows.flatten() == numbers).all()):
            raise DataError(
                f"labels of batch {batch} are not whole numbers: task='classification' takes "
                "labels from 0 to C − 1 or one-hot rows; for real targets leave task= out"
            )
        outside = (numbers < 0) | (numbers >= classes)
        if bool(outside.any()):
            raise DataError(
                f"labels of batch {batch} must be from 0 to {classes - 1}; sample "
                f"{int(torch.nonzero(outside)[0])} has {int(numbers[outside][0])}: drop ignored "
                "samples, or pass classes="
            )
        return torch.nn.functional.one_hot(numbers, classes).double()
    if rows.shape[1] != classes:
        raise DataError(
            f"targets of batch {batch} have {rows.shape[1]} columns for {classes} classes: yield "
            "labels of shape (samples,) or one-hot rows of shape (samples, classes)"
        )
    is_one_hot = ((rows == 0) | (rows == 1)).all(1) & (rows.sum(1) == 1)
    if not bool(is_one_hot.all()):
        raise DataError(
            f"targets of batch {batch} are not one-hot (first in its sample "
            f"{int(torch.nonzero(~is_one_hot)[0])}): each row must hold one 1 and else 0; for "
            "soft labels measure with task='regression', for a label a position yield one-hot rows "
            "of shape (samples, positions, classes)"
        )
    return rows
