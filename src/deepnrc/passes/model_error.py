"""How good the model's own predictions are: squared errors by target, or right decisions."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.errors import DataError, NonFiniteError

__all__ = ["Scores", "matching_predictions"]


def matching_predictions(
    predictions: Any, targets: Tensor, *, per_position: bool
) -> tuple[Tensor | None, str]:
    """Predictions as a float64 matrix of the targets' shape on the CPU, or why they are none.

    Args:
        predictions: What the model returned.
        targets: The batch's targets, n × t.
        per_position: Whether further axes before the last are positions, each a sample.

    Returns:
        The matrix and ``""``; or None and the reason.
    """
    if not isinstance(predictions, Tensor):
        return None, (
            f"the model returned a {type(predictions).__name__}, not a tensor: pass forward= "
            "that returns the predictions"
        )
    flat = predictions.detach()
    flat = flat[:, None] if flat.ndim == 1 else flat
    if per_position and flat.ndim > 2:
        flat = flat.flatten(0, -2)
    if flat.shape != targets.shape:
        return None, (
            f"the model returned shape {tuple(predictions.shape)} for targets of shape "
            f"{tuple(targets.shape)}: pass forward= that returns matching predictions"
        )
    return flat.to("cpu", torch.float64), ""


class Scores:
    """Sums over a pass; once a batch has no matching predictions, all of it is undefined.

    Args:
        task: ``"regression"`` or ``"classification"``.
        blame: Called before an error is raised for predictions that are not finite; may raise for
            the layer that first was not.
    """

    def __init__(self, task: str, blame: Callable[[], None]) -> None:
        self._task, self._blame = task, blame
        self._errors: Float64[Tensor, " t"] | None = None
        self._correct = 0
        self.reason = ""

    def add(self, predictions: Any, targets: Tensor, *, batch: int, per_position: bool) -> None:
        """Score a batch.

        Raises:
            NonFiniteError: NaN or infinity among the predictions.
            DataError: Their squared errors overflow.
        """
        if self.reason:
            return
        flat, self.reason = matching_predictions(predictions, targets, per_position=per_position)
        if flat is None:
            return
        if not bool(torch.isfinite(flat).all()):
            self._blame()
            raise NonFiniteError(
                f"the model's predictions for batch {batch} hold NaN or infinity: look at "
                "that batch's inputs and at the last layer's weights"
            )
        if self._task == "classification":
            self._correct += int((flat.argmax(1) == targets.argmax(1)).sum())
            return
        errors = (flat - targets).square().sum(0)
        self._errors = errors if self._errors is None else self._errors + errors
        if not math.isfinite(float(self._errors.sum())):
            self._blame()
            raise DataError(
                f"the model's predictions for batch {batch} reach "
                f"{float(flat.abs().max()):.3g}: their squared errors overflow float64; rescale"
            )

    @property
    def squared_errors(self) -> tuple[float, ...] | None:
        """Sum of (prediction − target)² over the samples, by target dimension."""
        if self.reason or self._errors is None:
            return None
        return tuple(self._errors.tolist())

    @property
    def correct(self) -> int | None:
        """Samples whose largest score is their class's."""
        return None if self.reason or self._task != "classification" else self._correct
