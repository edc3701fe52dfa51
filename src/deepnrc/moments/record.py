"""Moments: everything that the metrics need to know of a layer's features and the targets.

The record is small (d² + d·t numbers for any number of samples) and mergeable: the moments of two
halves of the data give those of the whole. Scatters are centred, and means are relative to an
origin near the data, so that neither a large mean nor the order of the batches costs accuracy;
raw sums of squares would lose the noise component first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float64
from torch import Tensor

from deepnrc.errors import ArgumentError

__all__ = ["CHUNK_ROWS", "Moments"]

CHUNK_ROWS = 1024
"""Rows in a chunk: single precision sums one chunk at a time, and float64 adds the chunks up."""


@dataclass(frozen=True)
class Moments:
    """Joint first and second moments of features (N × d) and targets (N × t), in float64.

    Attributes:
        count: N, rows seen.
        feature_origin: A point near the features, d; means are relative to it.
        target_origin: The same for the targets, t.
        feature_offset: Mean of the features minus ``feature_origin``, d.
        target_offset: Mean of the targets minus ``target_origin``, t.
        feature_scatter: H_cᵀ H_c, d × d.
        cross_scatter: H_cᵀ Y_c, d × t.
        target_scatter: Y_cᵀ Y_c, t × t.
        single_scatter: The part of each feature's scatter (the diagonal, d) that was summed in
            single precision, `CHUNK_ROWS` at a time; 0 where everything was summed in float64.
            The resolution that metrics state follows from it.
    """

    count: int
    feature_origin: Float64[Tensor, " d"]
    target_origin: Float64[Tensor, " t"]
    feature_offset: Float64[Tensor, " d"]
    target_offset: Float64[Tensor, " t"]
    feature_scatter: Float64[Tensor, "d d"]
    cross_scatter: Float64[Tensor, "d t"]
    target_scatter: Float64[Tensor, "t t"]
    single_scatter: Float64[Tensor, " d"]

    @classmethod
    def empty(cls, feature_dim: int, target_dim: int) -> "Moments":
        """Moments of no samples: the neutral element of `merge`."""
        d, t = feature_dim, target_dim
        shapes = [(d,), (t,), (d,), (t,), (d, d), (d, t), (t, t), (d,)]
        return cls(0, *(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    @classmethod
    def from_batch(cls, features: Tensor, targets: Tensor) -> "Moments":
        """Moments of one batch, entirely in float64.

        Args:
            features: N × d, any real dtype.
            targets: N × t.

        Returns:
            The batch's moments.

        Raises:
            ArgumentError: They are not two matrices with the same number of rows.

        Example:
            >>> import torch
            >>> moments = Moments.from_batch(torch.tensor([[1.0], [3.0]]), torch.eye(2))
            >>> moments.count, moments.feature_mean.tolist(), moments.feature_covariance.tolist()
            (2, [2.0], [[1.0]])
        """
        if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets):
            raise ArgumentError(
                "features and targets must be matrices with one row for each sample; got shapes "
                f"{tuple(features.shape)} and {tuple(targets.shape)}"
            )
        if len(features) == 0:
            return cls.empty(features.shape[1], targets.shape[1])
        h, y = features.double(), targets.double()
        # The first row plus the mean distance from it: exact for constant columns.
        h_origin = h[0] + (h - h[0]).mean(0)
        y_origin = y[0] + (y - y[0]).mean(0)
        h, y = h - h_origin, y - y_origin
        h_mean, y_mean = h.mean(0), y.mean(0)
        h, y = h - h_mean, y - y_mean
        single = torch.zeros_like(h_mean)
        return cls(len(h), h_origin, y_origin, h_mean, y_mean, h.T @ h, h.T @ y, y.T @ y, single)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of samples together; neither operand changes.

        Associative and commutative to rounding, for any sizes; empty moments are neutral.

        Raises:
            ArgumentError: Their features or targets differ in width.
        """
        if self.cross_scatter.shape != other.cross_scatter.shape:
            raise ArgumentError(
                "merged moments must be of the same widths (d, t); got "
                f"{tuple(self.cross_scatter.shape)} and {tuple(other.cross_scatter.shape)}"
            )
        if self.count == 0:
            return other
        if other.count == 0:
            return self
        # Chan, Golub and LeVeque 1983: only positive semi-definite terms, so nothing cancels.
        share = other.count / (self.count + other.count)
        h_step = other.feature_offset + (other.feature_origin - self.feature_origin)
        h_step = h_step - self.feature_offset
        y_step = other.target_offset + (other.target_origin - self.target_origin)
        y_step = y_step - self.target_offset
        weight = self.count * share
        return Moments(
            self.count + other.count,
            self.feature_origin,
            self.target_origin,
            self.feature_offset + h_step * share,
            self.target_offset + y_step * share,
            self.feature_scatter + other.feature_scatter + weight * torch.outer(h_step, h_step),
            self.cross_scatter + other.cross_scatter + weight * torch.outer(h_step, y_step),
            self.target_scatter + other.target_scatter + weight * torch.outer(y_step, y_step),
            self.single_scatter + other.single_scatter,
        )

    @property
    def feature_dim(self) -> int:
        """Width of the features, d."""
        return self.feature_offset.shape[0]

    @property
    def target_dim(self) -> int:
        """Target dimension, t."""
        return self.target_offset.shape[0]

    @property
    def feature_mean(self) -> Float64[Tensor, " d"]:
        """Mean of the features, d."""
        return self.feature_origin + self.feature_offset

    @property
    def target_mean(self) -> Float64[Tensor, " t"]:
        """Mean of the targets, t."""
        return self.target_origin + self.target_offset

    @property
    def feature_covariance(self) -> Float64[Tensor, "d d"]:
        """Σ_H = H_cᵀH_c / N, d × d (divided by N, not N − 1)."""
        return self.feature_scatter / max(self.count, 1)

    @property
    def cross_covariance(self) -> Float64[Tensor, "d t"]:
        """Σ_HY = H_cᵀY_c / N, d × t."""
        return self.cross_scatter / max(self.count, 1)

    @property
    def target_covariance(self) -> Float64[Tensor, "t t"]:
        """Σ_Y = Y_cᵀY_c / N, t × t."""
        return self.target_scatter / max(self.count, 1)

    def state_dict(self) -> dict[str, Tensor]:
        """The record as a flat dictionary of tensors, as safetensors stores them."""
        state = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "count"}
        return {"count": torch.tensor(self.count), **state}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> "Moments":
        """The record of a `state_dict`.

        Raises:
            ArgumentError: An entry is missing or unknown.
        """
        expected = {f.name for f in fields(cls)}
        if set(state) != expected:
            missing, unknown = sorted(expected - set(state)), sorted(set(state) - expected)
            raise ArgumentError(
                f"state must hold the entries of Moments; got a dictionary with {missing} missing "
                f"and {unknown} unknown"
            )
        rest = {name: tensor for name, tensor in state.items() if name != "count"}
        return cls(count=int(state["count"]), **rest)
