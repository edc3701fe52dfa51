"""What an epoch showed, and how it is summed up over the steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["EpochResult", "EpochTotals", "squared_error"]

_NORMS = 8  # batches per epoch whose gradient norm is taken; each would cost up to a tenth
_PENDING = 64  # batches whose squared errors are summed at once; each would cost as much as a layer


@dataclass(frozen=True, eq=False)
class EpochResult:
    """What an epoch showed.

    Attributes:
        objective: Mean over the samples of the loss that was minimized, penalties included.
        squared_error: Sum over the samples of the squared error of each target, t numbers, of the
            predictions that the steps were made from, so while the weights moved.
        samples: N.
        gradient_norm: Root mean square of the norm of the gradient of the loss, before any
            clipping, over at most eight batches spread over the epoch.
    """

    objective: float
    squared_error: Tensor
    samples: int
    gradient_norm: float

    @property
    def loss(self) -> float:
        """Mean squared error over all N·t entries."""
        return float(self.squared_error.mean()) / self.samples


class EpochTotals:
    """Sums over the steps of one model, or with an axis more of the members of an ensemble.

    Args:
        rows: N.
        batch_size: Samples per step.
    """

    def __init__(self, rows: int, batch_size: int) -> None:
        self._rows, self._stride = rows, max(1, rows // batch_size // _NORMS)
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._sizes: list[int] = []
        self._pending: list[Sequence[Tensor]] = []
        self._errors = torch.zeros((), dtype=torch.float64)

    @property
    def wants_norm(self) -> bool:
        """Whether the next batch is one of those whose gradient norm is taken."""
        return len(self._losses) % self._stride == 0

    def add(self, loss: Tensor, norm: Tensor | None, *errors: Tensor) -> None:
        """Add a step.

        Args:
            loss: A number, or one for each member.
            norm: Of the gradient, as ``loss``; None where it was not taken.
            errors: The predictions B × … × t and the targets, or their difference.
        """
        self._losses.append(loss)
        self._sizes.append(len(errors[0]))
        if norm is not None:
            self._norms.append(norm)
        self._pending.append(errors)
        if len(self._pending) == _PENDING:
            self._sum_pending()

    def results(self) -> list[EpochResult]:
        """What the epoch showed of each member; one result for one model."""
        self._sum_pending()
        losses = torch.stack(self._losses).double().cpu()
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        means = (losses * sizes.view(-1, *[1] * (losses.ndim - 1))).sum(0) / sizes.sum()
        norms = torch.stack(self._norms).double().square().mean(0).sqrt().cpu()
        errors = self._errors.view(means.numel(), -1)
        each = zip(means.view(-1).tolist(), errors, norms.view(-1).tolist(), strict=True)
        return [EpochResult(mean, error, self._rows, norm) for mean, error, norm in each]

    def _sum_pending(self) -> None:
        if self._pending:
            self._errors = self._errors + _sum_of_squares(self._pending)
            self._pending.clear()


def squared_error(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, int]:
    """The squared error of each target, summed over the samples, and their number.

    In evaluation mode, without gradients; the model's mode is restored.
    """
    training = model.training
    model.eval()
    rows, total = 0, torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for inputs, targets in batches:
            total = total + _sum_of_squares([(model(inputs), targets)])
            rows += len(targets)
    model.train(training)
    return total, rows


def _sum_of_squares(batches: Sequence[Sequence[Tensor]]) -> Tensor:
    """Of differences, or of predictions less targets, over all samples of the batches."""
    first, *rest = (torch.cat(parts).double() for parts in zip(*batches, strict=True))
    difference = first - rest[0] if rest else first
    return difference.square().sum(0).cpu()
