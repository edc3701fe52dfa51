"""`ClassView`: what the metrics of classification see of a layer."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.linalg.spectra import numerical_rank
from deepnrc.metrics.view import LayerView, Undefined
from deepnrc.moments.by_class import ClassMoments

__all__ = ["ClassView", "between_classes"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class ClassView:
    """One layer of a classifier as the metrics see it.

    Attributes:
        layer: Its joint moments with one-hot targets and its weight.
        classes: Its moments by class.
        is_output: Whether it is the last layer, with one row of W for each class.
        spread: Σ ((h − μ_c)·v)² over the rows, along each direction of `between_classes`.
        agreeing: Rows whose nearest class mean is the network's decision.
    """

    layer: LayerView
    classes: ClassMoments
    spread: Float64[Tensor, " r"]
    is_output: bool = False
    agreeing: int | Undefined = field(default=Undefined("the network's decisions are unknown"))

    @property
    def class_count(self) -> int:
        """Number of classes, C, seen or not."""
        return len(self.classes.counts)

    @property
    def within(self) -> float:
        """Tr Σ_W, mean over the rows of ‖h − μ_c‖²."""
        return float(self.classes.energies.sum()) / max(self.layer.moments.count, 1)

    @cached_property
    def centered_means(self) -> Float64[Tensor, "C d"]:
        """M: the class means less their mean, in which every class has the same weight."""
        means = self.classes.means - self.classes.means[0]
        return means - means.mean(0)

    @cached_property
    def between(self) -> Float64[Tensor, " r"]:
        """Non-zero eigenvalues of Σ_B, descending."""
        return between_classes(self.classes)[0]

    @cached_property
    def means_basis(self) -> Float64[Tensor, "d r"]:
        """Orthonormal basis of the span of the centred means, at most C − 1 directions."""
        return _directions(self.centered_means)[1]

    @cached_property
    def equal_means(self) -> Undefined | None:
        """Why the class means do not differ; None if they do."""
        if self.layer.constant_features:
            return self.layer.constant_features
        seen = self.classes.seen
        if len(seen) < 2:
            return Undefined(f"only class {int(seen[0])} was seen")
        means = self.classes.means[seen]
        spread = torch.linalg.norm(means - means[0])
        if float(spread) <= means.shape[1] ** 0.5 * _EPS * float(torch.linalg.norm(means)):
            return Undefined("the class means are all equal")
        return None

    @property
    def unseen_classes(self) -> Undefined | None:
        """Why some class has no mean; None if every class has one."""
        missing = torch.nonzero(self.classes.counts == 0).flatten().tolist()
        if not missing:
            return None
        if len(missing) == 1:
            return Undefined(f"class {missing[0]} of {self.class_count} was never seen")
        return Undefined(
            f"{len(missing)} of {self.class_count} classes were never seen, first {missing[0]}"
        )


def between_classes(classes: ClassMoments) -> tuple[Float64[Tensor, " r"], Float64[Tensor, "d r"]]:
    """Non-zero eigenvalues of Σ_B and their directions, fewer than there are classes seen.

    Σ_B weighs each class by its rows, about the mean of all of them.
    """
    seen = classes.seen
    share = classes.counts[seen, None].double() / classes.counts.sum()
    means = classes.means[seen]
    means = means - means[0]  # so that rounding is relative to their distances
    values, vectors = _directions(share.sqrt() * (means - (share * means).sum(0)))
    return values.square(), vectors


def _directions(means: Float64[Tensor, "S d"]) -> tuple[Tensor, Tensor]:
    """Non-zero singular values and right singular vectors of points about a mean of theirs."""
    _, values, vectors = torch.linalg.svd(means, full_matrices=False)
    rank = min(numerical_rank(values, rtol=max(means.shape) * _EPS), len(means) - 1)
    return values[:rank], vectors[:rank].T
