"""Streaming rows into `Moments`: nearly float64's accuracy at little more than float32's price.

The first rows are summed in float64 and decide how the others are: narrow layers and float64
features in float64; wide float32 features by deflation (`deepnrc.moments.deflated_sums`), even
where they are far from collapsed, as plain float32 sums would put NRC4 wrong by a few 1e-6.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from deepnrc.errors import FeatureRangeError, NonFiniteError
from deepnrc.moments.buffers import Workspaces, chunk_bytes, workspace_bytes
from deepnrc.moments.dead_units import DeadUnits
from deepnrc.moments.deflated_sums import DeflatedSums, mirrored
from deepnrc.moments.deflation import deflated_directions, leading_subspace
from deepnrc.moments.precision import full_precision
from deepnrc.moments.record import CHUNK_ROWS, Moments

__all__ = ["MomentAccumulator", "state_bytes"]

_BASIS_STEPS = 4  # of subspace iteration for the first basis,
_REFRESH_STEPS = 2  # and to turn it towards the rows seen since
_REFRESH_FACTOR = 4  # after 4, 16, 64 … chunks
_SINGLE_RANGE = (1e-9, 1e9)  # root-mean-square features whose squares float32 holds


def state_bytes(feature_dims: Iterable[int], target_dim: int) -> int:
    """Bound of the memory that accumulators of these widths hold, for any number of samples.

    Accumulators of equal width share a workspace.
    """
    layers = [(d, deflated_directions(d, target_dim)) for d in feature_dims]
    shared = sum(workspace_bytes(d, k, target_dim) for d, k in set(layers))
    return shared + sum(_own_bytes(d, k, target_dim) for d, k in layers)


def _own_bytes(width: int, k: int, target_dim: int) -> int:
    side = k + 1 + target_dim
    scatters = 2 * 8 * width * (width + 2 * side) + 8 * side**2
    return scatters + chunk_bytes(width, k, target_dim)


class MomentAccumulator:
    """Adds feature rows and their targets, a few at a time, and gives their `Moments`.

    How the rows are cut into batches changes the result by rounding only: by about 1e-15
    relative for float64 features or ``precision="double"``; by about 1e-8 otherwise, with the
    noise component right to four digits down to 1e-9.

    Args:
        feature_dim: d.
        target_dim: t.
        dtype: Of the features.
        device: Of the features; the sums are held there.
        precision: ``"mixed"`` or ``"double"``.
        workspaces: Shared with the pass's other accumulators; None makes its own.
    """

    def __init__(
        self,
        feature_dim: int,
        target_dim: int,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        precision: str = "mixed",
        workspaces: Workspaces | None = None,
    ) -> None:
        self._workspaces = workspaces or Workspaces()
        self._width, self._target_dim = feature_dim, target_dim
        self._device = torch.device(device)
        self._may_be_single = precision == "mixed" and dtype != torch.float64
        self._units = DeadUnits(feature_dim, self._device)
        self._summed = self._chunks = 0  # rows and chunks
        self._next_refresh = _REFRESH_FACTOR
        self._first: list[tuple[Tensor, Tensor]] = []  # rows until there are enough to start from
        self._merged: Moments | None = None  # of the live columns, without what is in the sums
        self._basis: Tensor | None = None
        self._sums: DeflatedSums | None = None

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._summed + self._waiting

    @property
    def _waiting(self) -> int:
        """Rows that were added but not summed yet."""
        return self._sums.fill if self._sums else sum(len(rows) for rows, _ in self._first)

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Add rows; the arguments are neither kept nor changed.

        Args:
            features: n × d, of any real dtype, on the accumulator's device.
            targets: n × t, float64.

        Raises:
            NonFiniteError: The features hold NaN or infinity; ``error.row`` is the number of the
                first such row.
            FeatureRangeError: The features are so large that their squares overflow float64.
        """
        start = 0
        while start < len(features):
            room = CHUNK_ROWS - self._waiting
            rows, y = features[start : start + room], targets[start : start + room]
            start += room
            if self._units.dead.numel():
                rows = self._live_columns(rows)
            if self._sums is None:
                self._first.append((rows.clone(), y.clone()))
            else:
                self._sums.put(rows, y)
            if self._waiting == CHUNK_ROWS:
                self._sum_waiting()

    def result(self) -> Moments:
        """The moments of all rows so far, on the CPU."""
        self._sum_waiting()
        self._merge_sums()
        if self._merged is None:
            return Moments.empty(self._width, self._target_dim)
        state = self._units.restore(self._merged).state_dict()
        return Moments.from_state_dict({name: value.cpu() for name, value in state.items()})

    def _sum_waiting(self) -> None:
        """Sum the waiting rows; now and then turn the basis towards the rows seen since."""
        n = self._waiting
        if not n:
            return
        with full_precision(self._device):
            if self._sums is None:
                self._start()
            elif not self._sums.add_chunk():
                self._raise_not_finite(self._sums.chunk())
            self._summed += n
            self._chunks += 1
            if self._chunks == self._next_refresh:
                self._next_refresh *= _REFRESH_FACTOR
                self._merge_sums()
                self._prepare_sums(_REFRESH_STEPS)

    def _start(self) -> None:
        rows, targets = (torch.cat(parts) for parts in zip(*self._first, strict=True))
        moments = Moments.from_batch(rows, targets)
        moments = replace(moments, feature_scatter=mirrored(moments.feature_scatter))
        if not bool(torch.isfinite(moments.feature_scatter.diagonal()).all()):
            self._raise_not_finite(rows)
        self._first.clear()
        self._merged = self._units.set_aside(moments)
        self._prepare_sums(_BASIS_STEPS)

    def _merge_sums(self) -> None:
        if self._sums and self._sums.count:
            moments = self._sums.take()
            self._merged = moments if self._merged is None else self._merged.merge(moments)

    def _live_columns(self, rows: Tensor) -> Tensor:
        """The live columns; units woken by these rows become live first."""
        woken = self._units.woken_by(rows)
        if bool(woken.any()):
            self._sum_waiting()
            self._merge_sums()
            assert self._merged is not None
            self._merged = self._units.wake(woken, self._merged)
            self._prepare_sums(_BASIS_STEPS)
        return rows.index_select(1, self._units.live)

    def _prepare_sums(self, steps: int) -> None:
        """Sums of the columns that are live now, deflated where that pays; they must be empty."""
        state = self._merged
        assert state is not None
        live = state.feature_dim
        k = deflated_directions(live, self._target_dim)
        energy = float(state.feature_scatter.diagonal().sum())
        low, high = _SINGLE_RANGE
        in_range = low < (energy / max(state.count * live, 1)) ** 0.5 < high
        single = self._may_be_single and in_range and k > 0
        if single:
            basis, missed = leading_subspace(
                state.feature_scatter, k, start=self._basis, steps=steps
            )
            self._basis = basis
        else:
            basis, missed = state.cross_scatter[:, :0], energy
        expected, dtype = missed / state.count, torch.float32 if single else torch.float64
        if self._sums and self._sums.layout == (live, basis.shape[1], dtype):
            self._sums.change_basis(basis, expected)
            return
        origin = state.feature_mean
        if single:
            origin = origin.float().double()  # then x − origin is exact there for large means
        workspace = self._workspaces.get(
            self._width, basis.shape[1], self._target_dim, dtype=dtype, device=self._device
        )
        self._sums = DeflatedSums(
            origin, state.target_origin, basis, workspace, expected_residual=expected
        )

    def _raise_not_finite(self, chunk: Tensor) -> None:
        bad = ~torch.isfinite(chunk).all(1)
        if bool(bad.any()):
            row = self._summed + int(torch.nonzero(bad)[0])
            raise NonFiniteError("features hold NaN or infinity", row=row)
        raise FeatureRangeError(
            f"features reach {float(chunk.abs().max()):.3g}: their squares overflow float64; "
            "rescale the inputs or the model"
        )
