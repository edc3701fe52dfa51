"""How good the model's own predictions are: squared errors by target, or right decisions."""

import math
from typing import Any

import torch
from torch import Tensor

from deepnrc.errors import DataError
from deepnrc.passes.statistic import Site, Statistic, Sums
from deepnrc.support.undefined import Undefined

__all__ = ["CorrectDecisions", "SquaredErrors", "matching_predictions"]


def matching_predictions(predictions: Any, targets: Tensor) -> Tensor | Undefined:
    """Predictions as a float64 matrix of the targets' shape on the CPU, or why they are none.

    Args:
        predictions: What the model returned.
        targets: The batch's targets, n × t.
    """
    if not isinstance(predictions, Tensor):
        return Undefined(
            f"the model returned a {type(predictions).__name__}, not a tensor: pass output= "
            "that says which part of it are the predictions, or forward= that returns them"
        )
    flat = predictions.detach()
    flat = flat[:, None] if flat.ndim == 1 else flat
    if flat.shape != targets.shape:
        if _are_scores(flat, targets):
            return Undefined(
                f"the model returned {flat.shape[1]} scores for targets that are whole numbers "
                f"from 0 to {int(targets.max())}: if they are labels, pass task='classification'"
            )
        return Undefined(
            f"the model returned shape {tuple(predictions.shape)} for targets of shape "
            f"{tuple(targets.shape)}: pass forward= that returns matching predictions"
        )
    return flat.to("cpu", torch.float64)


def _are_scores(predictions: Tensor, targets: Tensor) -> bool:
    """Whether predictions look like scores of classes and the targets like labels."""
    if predictions.ndim != 2 or targets.shape != (len(predictions), 1) or not len(targets):
        return False
    whole = bool((targets == targets.round()).all())
    return whole and 0.0 <= float(targets.min()) <= float(targets.max()) < predictions.shape[1]


class SquaredErrors(Statistic):
    """Sum of (prediction − target)² over the samples, by target dimension."""

    name = "squared_errors"
    at_output = True

    def start(self, site: Site) -> Sums:
        """One sum a target."""
        return _ErrorSums(site)


class _ErrorSums(Sums):
    def __init__(self, site: Site) -> None:
        self._errors = torch.zeros(site.target_dim, dtype=torch.float64)

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._errors += (rows - targets).square().sum(0)
        if not math.isfinite(float(self._errors.sum())):
            raise DataError(
                f"reach {float(rows.abs().max()):.3g}: their squared errors overflow float64; "
                "rescale"
            )

    def result(self) -> tuple[float, ...]:
        return tuple(self._errors.tolist())


class CorrectDecisions(Statistic):
    """Samples whose largest score is that of their class."""

    name = "correct"
    at_output = True

    def start(self, site: Site) -> Sums:
        """One count."""
        return _Decisions()


class _Decisions(Sums):
    def __init__(self) -> None:
        self._correct = 0

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._correct += int((rows.argmax(1) == targets.argmax(1)).sum())

    def result(self) -> int:
        return self._correct
