"""Moments by class: how many rows a class has, their mean, and how far they scatter about it.

The energy of each class is summed about its first row, so that it is exactly 0 for a class that
has collapsed to a point; as the difference of two large sums it would be their rounding.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["ClassMoments", "ClassSums", "class_bytes", "nearest_means"]

_ROWS = 8192  # converted to float64 at a time


@dataclass(frozen=True)
class ClassMoments:
    """First moments and energies of the features of C classes, in float64.

    Attributes:
        counts: Rows of each class, n_c.
        means: μ_c, C × d; 0 for a class that was not seen.
        energies: Σ ‖h − μ_c‖² over the rows of each class.
    """

    counts: Int64[Tensor, " C"]
    means: Float64[Tensor, "C d"]
    energies: Float64[Tensor, " C"]

    @property
    def seen(self) -> Int64[Tensor, " S"]:
        """Numbers of the classes with at least one row."""
        return torch.nonzero(self.counts).flatten()


def class_bytes(feature_dim: int, classes: int) -> int:
    """Memory of a `ClassSums`."""
    return 8 * classes * (2 * feature_dim + 2)


class ClassSums:
    """Adds rows with their classes, a batch at a time, and gives their `ClassMoments`.

    Args:
        feature_dim: d.
        classes: C.
        device: Of the rows.
    """

    def __init__(
        self, feature_dim: int, classes: int, *, device: torch.device | str = "cpu"
    ) -> None:
        self._counts = torch.zeros(classes, dtype=torch.int64, device=device)
        self._origins = torch.zeros(classes, feature_dim, dtype=torch.float64, device=device)
        self._offsets = torch.zeros_like(self._origins)
        self._energies = torch.zeros(classes, dtype=torch.float64, device=device)

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add rows, n × d, and the class of each, n whole numbers below C."""
        for rows, numbers in zip(
            torch.split(features, _ROWS), torch.split(labels, _ROWS), strict=True
        ):
            self._set_origins(rows, numbers)
            distances = rows.double() - self._origins[numbers]
            self._offsets.index_add_(0, numbers, distances)
            self._energies.index_add_(0, numbers, distances.square().sum(1))
            self._counts += torch.bincount(numbers, minlength=len(self._counts))

    def _set_origins(self, rows: Tensor, numbers: Tensor) -> None:
        """The first row of a class is its origin."""
        for new in set(numbers[self._counts[numbers] == 0].tolist()):
            self._origins[new] = rows[int((numbers == new).nonzero()[0])].double()

    def result(self) -> ClassMoments:
        """The moments of all rows so far, on the CPU."""
        n = self._counts.clamp(min=1)[:, None]
        offsets = self._offsets / n
        within = self._energies - (n * offsets.square()).sum(1)
        return ClassMoments(
            self._counts.cpu(), (self._origins + offsets).cpu(), within.clamp(min=0).cpu()
        )


def nearest_means(features: Tensor, classes: ClassMoments) -> Tensor:
    """Number of the class whose mean is nearest to each row; of equal distances the first.

    Args:
        features: n × d, on any device.
        classes: Means of the classes; classes without rows are never nearest.

    Returns:
        n class numbers.
    """
    seen = classes.seen.to(features.device)
    means = classes.means.to(features.device)[seen]
    center = means.mean(0)  # far from the origin, rounding of squares would hide the distances
    means = means - center
    squares = means.square().sum(1)
    nearest = [
        (2 * (rows.double() - center) @ means.T - squares).argmax(1)
        for rows in torch.split(features, _ROWS)
    ]
    return seen[torch.cat(nearest)]
