"""The statistics of a layer's rows: joint moments, moments by class, unit rows, class spread."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.metrics.class_view import between_classes
from deepnrc.moments.accumulator import MomentAccumulator, state_bytes
from deepnrc.moments.buffers import Workspaces
from deepnrc.moments.by_class import ClassMoments, ClassSums, class_bytes, nearest_means
from deepnrc.moments.record import Moments
from deepnrc.moments.unit_rows import UnitRows, UnitRowSums, unit_row_bytes
from deepnrc.passes.statistic import Site, Statistic, Sums
from deepnrc.support.undefined import Undefined

__all__ = [
    "CentredUnitRows",
    "ClassSpread",
    "JointMoments",
    "MomentsByClass",
    "RawUnitRows",
    "Spread",
]

_ROWS = 8192  # converted to float64 at a time


class JointMoments(Statistic):
    """Moments of features and targets, at every layer.

    Args:
        precision: ``"mixed"`` or ``"double"``.
    """

    name = "moments"

    def __init__(self, precision: str) -> None:
        self._precision, self._workspaces = precision, Workspaces()

    def start(self, site: Site) -> Sums:
        """Sums in the precision asked for; layers of one shape share a workspace."""
        return _MomentSums(site, self._precision, self._workspaces)

    def nbytes(self, widths: Sequence[int], target_dim: int) -> int:
        """See `state_bytes`."""
        return state_bytes(widths, target_dim)


class _MomentSums(Sums):
    def __init__(self, site: Site, precision: str, workspaces: Workspaces) -> None:
        self._sums = MomentAccumulator(
            site.width,
            site.target_dim,
            dtype=site.rows_dtype,
            device=site.device,
            precision=precision,
            workspaces=workspaces,
        )

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._sums.add(rows, targets)

    def result(self) -> Moments:
        return self._sums.result()


class MomentsByClass(Statistic):
    """Moments of each class's rows, at every layer of a classifier."""

    name = "classes"

    def start(self, site: Site) -> Sums:
        """One class a column of the one-hot targets."""
        return _ClassSums(site)

    def nbytes(self, widths: Sequence[int], target_dim: int) -> int:
        """See `class_bytes`."""
        return sum(class_bytes(width, target_dim) for width in widths)


class _ClassSums(Sums):
    def __init__(self, site: Site) -> None:
        self._sums = ClassSums(site.width, site.target_dim, device=site.device)

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._sums.add(rows, targets.argmax(1))

    def result(self) -> ClassMoments:
        return self._sums.result()


class RawUnitRows(Statistic):
    """Second moment of the rows scaled to length 1, at each layer with a row of W a target.

    Any of these may prove to be the last layer.
    """

    name = "unit_rows"

    def start(self, site: Site) -> Sums | None:
        """None where W has another number of rows."""
        if site.outputs != site.target_dim:
            return None
        return _UnitRowSums(UnitRowSums(site.width, device=site.device))

    def nbytes(self, widths: Sequence[int], target_dim: int) -> int:
        """Of all layers: any may prove to be the last."""
        return sum(map(unit_row_bytes, widths))


class CentredUnitRows(RawUnitRows):
    """The same of the rows less their mean, at the last layer."""

    needs = ("moments",)

    def start(self, site: Site) -> Sums | None:
        """None at every layer but the last."""
        if not site.is_last:
            return None
        moments: Moments = site.earlier["moments"]
        return _UnitRowSums(
            UnitRowSums(
                site.width,
                device=site.device,
                center=moments.feature_mean,
                eps=torch.finfo(site.dtype).eps,
            )
        )


class _UnitRowSums(Sums):
    def __init__(self, sums: UnitRowSums) -> None:
        self._sums = sums

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._sums.add(rows)

    def result(self) -> UnitRows:
        return self._sums.result()


@dataclass(frozen=True)
class Spread:
    """What can be summed at a layer of a classifier once class means are known.

    Attributes:
        agreeing: Rows whose nearest class mean is what the network decides.
        within: Σ ((h − μ_c)·v)² over the rows, along each direction v in which class means differ;
            from the moments it would be a small difference of large numbers.
    """

    agreeing: int | Undefined
    within: Float64[Tensor, " r"]


class ClassSpread(Statistic):
    """Rows about the means of their classes, at every layer of a classifier.

    It holds less than the sums by class of the pass before gave back.
    """

    name = "spread"
    needs = ("classes",)

    def start(self, site: Site) -> Sums:
        """About the class means that the pass before has found."""
        return _SpreadSums(site)


class _SpreadSums(Sums):
    def __init__(self, site: Site) -> None:
        classes: ClassMoments = site.earlier["classes"]
        self._classes = classes
        self._means = classes.means.to(site.device)
        self._directions = between_classes(classes)[1].to(site.device)
        self._within = torch.zeros(self._directions.shape[1], dtype=torch.float64)
        self._agreeing: int | Undefined = 0
        self._nearest: list[Tensor] = []  # of the batch at hand, call by call

    def add(self, rows: Tensor, targets: Tensor) -> None:
        self._nearest.append(nearest_means(rows, self._classes))
        labels = targets.argmax(1)
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            about = (rows[part].double() - self._means[labels[part]]) @ self._directions
            self._within += about.square().sum(0).cpu()

    def end_batch(self, predictions: Tensor | Undefined) -> None:
        if isinstance(predictions, Undefined):
            self._agreeing = predictions
        for nearest in self._nearest:
            if isinstance(predictions, Tensor) and isinstance(self._agreeing, int):
                times = max(len(nearest) // max(len(predictions), 1), 1)
                decided = predictions.argmax(1).repeat_interleave(times).to(nearest.device)
                self._agreeing += int((nearest == decided).sum())
        self._nearest.clear()

    def result(self) -> Spread:
        return Spread(self._agreeing, self._within)
