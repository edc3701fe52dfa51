"""What a pass sums: a statistic says where it is summed, what it needs first, and what it holds."""

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from deepnrc.support.undefined import Undefined

__all__ = ["Site", "Statistic", "Sums", "stages"]


@dataclass(frozen=True)
class Site:
    """Where a statistic is summed, as known when the first rows arrive.

    Attributes:
        width: Columns of the rows; of predictions as many as of the targets.
        target_dim: Columns of the targets.
        outputs: Rows of the layer's weight; 0 for predictions.
        dtype: Of the activation, before its reduction to rows.
        rows_dtype: Of the rows.
        device: Of the rows.
        is_last: Whether it is the last layer; False while that is not known, in the first pass.
        earlier: Results of earlier passes at this site, by the statistic's name.
    """

    width: int
    target_dim: int
    outputs: int = 0
    dtype: torch.dtype = torch.float64
    rows_dtype: torch.dtype = torch.float64
    device: torch.device = field(default=torch.device("cpu"))
    is_last: bool = False
    earlier: Mapping[str, Any] = field(default_factory=dict)


class Sums(abc.ABC):
    """Sums under way at one site."""

    @abc.abstractmethod
    def add(self, rows: Tensor, targets: Tensor) -> None:
        """Take in rows, n × width, and their targets, n × t float64 on the device of the rows."""

    def end_batch(self, predictions: Tensor | Undefined) -> None:
        """Take in the model's predictions for the batch, n × t float64 on the CPU."""
        del predictions

    @abc.abstractmethod
    def result(self) -> Any:
        """What the rows so far gave, on the CPU."""


class Statistic(abc.ABC):
    """A kind of sums.

    Attributes:
        name: Of its result.
        needs: Names of statistics whose results must be known before its first row; it is then
            summed in a later pass over the data.
        at_output: Whether it is summed at the model's predictions and not at the layers.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    at_output: ClassVar[bool] = False

    @abc.abstractmethod
    def start(self, site: Site) -> Sums | None:
        """Sums for a site, or None where this statistic is not wanted."""

    def nbytes(self, widths: Sequence[int], target_dim: int) -> int:
        """Bound of the memory of its sums at layers of these widths, whatever the samples.

        0, unless overridden: a few numbers.
        """
        del widths, target_dim
        return 0


def stages(statistics: Iterable[Statistic]) -> list[list[Statistic]]:
    """The statistics of each pass over the data: each as early as its needs allow.

    What a statistic needs must be among those listed before it.
    """
    stage_of: dict[str, int] = {}
    found: list[list[Statistic]] = []
    for statistic in statistics:
        number = max((stage_of[name] + 1 for name in statistic.needs), default=0)
        stage_of[statistic.name] = number
        found += [[] for _ in range(number + 1 - len(found))]
        found[number].append(statistic)
    return found
