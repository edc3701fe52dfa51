"""Streaming rows into `Moments`: nearly float64's accuracy at little more than float32's price.

The first rows are summed in float64. They show how to go on: narrow layers and float64 features
in float64, wide float32 features by deflation (see `deepnrc.moments.deflated_sums`), also
where they are far from collapsed: without it, NRC4 would be off by a few 1e-6. Units that were
zero in every row so far (dead ReLUs) are left out of the products, which is exact and makes
collapsed layers cheap; they are watched and come back when they wake.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from deepnrc.errors import FeatureRangeError, NonFiniteError
from deepnrc.moments.buffers import Workspaces, chunk_bytes, workspace_bytes
from deepnrc.moments.deflated_sums import DeflatedSums, mirrored
from deepnrc.moments.record import CHUNK_ROWS, Moments

__all__ = ["MomentAccumulator", "full_precision", "state_bytes"]

_BASIS_UNIT = 16  # basis sizes are multiples of this; smaller ones run slower
_BASIS_STEPS = 4  # of subspace iteration for the first basis,
_REFRESH_STEPS = 2  # and to turn it to what was seen since
_REFRESH_FACTOR = 4  # after 1, 4, 16 … chunks
_DOUBLE_WIDTH = 128  # layers this narrow are summed in float64: deflation would not pay
_LEAST_DEAD = 0.1  # share of dead units from which leaving them out pays
_SINGLE_RANGE = (1e-9, 1e9)  # root-mean-square features whose squares float32 holds


def basis_size(target_dim: int) -> int:
    """Deflated directions: the signal's and two more, rounded up to a fast size."""
    return _BASIS_UNIT * -(-(target_dim + 2) // _BASIS_UNIT)


def state_bytes(feature_dims: Iterable[int], target_dim: int) -> int:
    """Bound of the memory that accumulators of these widths hold, whatever the samples.

    Those of equal width share a workspace.
    """
    dims = list(feature_dims)
    shared = sum(workspace_bytes(d, _most_deflated(d, target_dim), target_dim) for d in set(dims))
    return shared + sum(_own_bytes(d, _most_deflated(d, target_dim), target_dim) for d in dims)


def _own_bytes(width: int, k: int, target_dim: int) -> int:
    side = k + 1 + target_dim
    scatters = 2 * 8 * width * (width + 2 * side) + 8 * side**2
    return scatters + chunk_bytes(width, k, target_dim)


def _most_deflated(width: int, target_dim: int) -> int:
    """Directions that are deflated in a layer of this width; 0 where that would not pay."""
    k = basis_size(target_dim)
    return k if width > max(_DOUBLE_WIDTH, 4 * k) else 0


class MomentAccumulator:
    """Adds feature rows and their targets, a few at a time, and gives their `Moments`.

    The result does not depend on how the rows were cut into batches beyond rounding: about 1e-15
    relative for float64 features or ``precision="double"``, about 1e-8 otherwise, with the noise
    component right to four digits down to 1e-9.

    Args:
        feature_dim: d.
        target_dim: t.
        dtype: Of the features.
        device: Of the features; sums are held there.
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
        self._columns = torch.arange(feature_dim, device=self._device)
        self._dead = self._columns[:0]
        self._absorbed = self._chunks = 0
        self._next_refresh = _REFRESH_FACTOR
        self._state: Moments | None = None
        self._first: list[tuple[Tensor, Tensor]] = []  # rows until there are enough to start from
        self._basis: Tensor | None = None
        self._sums: DeflatedSums | None = None

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._absorbed + self._fill

    @property
    def _fill(self) -> int:
        return self._sums.fill if self._sums else sum(len(rows) for rows, _ in self._first)

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Take in rows; nothing of the arguments is kept.

        Args:
            features: n × d, of any real dtype, on the accumulator's device.
            targets: n × t, float64.

        Raises:
            NonFiniteError: NaN or infinity; ``error.row`` is the first such row's number.
            FeatureRangeError: Features so large that their squares overflow float64.
        """
        start = 0
        while start < len(features):
            room = CHUNK_ROWS - self._fill
            rows, y = features[start : start + room], targets[start : start + room]
            start += room
            if self._dead.numel():
                rows = self._live(rows)
            if self._sums is None:
                self._first.append((rows.clone(), y.clone()))
            else:
                self._sums.put(rows, y)
            if self._fill == CHUNK_ROWS:
                self._absorb()

    def result(self) -> Moments:
        """The moments of all rows so far, on the CPU."""
        self._absorb()
        self._fold()
        state = self._state
        if state is None:
            return Moments.empty(self._width, self._target_dim)
        live, width = self._columns, self._width
        scatter = _spread(_spread(state.feature_scatter, live, width).T.contiguous(), live, width)
        full = replace(
            state,
            feature_origin=_spread(state.feature_origin, live, width),
            feature_offset=_spread(state.feature_offset, live, width),
            feature_scatter=scatter,
            cross_scatter=_spread(state.cross_scatter, live, width),
            single_scatter=_spread(state.single_scatter, live, width),
        )
        return Moments.from_state_dict({k: v.cpu() for k, v in full.state_dict().items()})

    def _absorb(self) -> None:
        """Sum the gathered rows; now and then turn the basis to what was seen."""
        n = self._fill
        if not n:
            return
        with full_precision(self._device):
            if self._sums is None:
                self._start()
            elif not self._sums.add_chunk():
                self._raise_not_finite(self._sums.chunk())
            self._absorbed += n
            self._chunks += 1
            if self._chunks == self._next_refresh:
                self._next_refresh *= _REFRESH_FACTOR
                self._fold()
                self._renew(_REFRESH_STEPS)

    def _start(self) -> None:
        rows, targets = (torch.cat(parts) for parts in zip(*self._first, strict=True))
        moments = Moments.from_batch(rows, targets)
        self._state = replace(moments, feature_scatter=mirrored(moments.feature_scatter))
        if not bool(torch.isfinite(self._state.feature_scatter.diagonal()).all()):
            self._raise_not_finite(rows)
        self._first.clear()
        self._set_dead_aside()
        self._renew(_BASIS_STEPS)

    def _fold(self) -> None:
        if self._sums and self._sums.count:
            moments = self._sums.take()
            self._state = moments if self._state is None else self._state.merge(moments)

    def _set_dead_aside(self) -> None:
        state = self._state
        assert state is not None
        dead = (state.feature_scatter.diagonal() == 0) & (state.feature_mean == 0)
        if float(dead.double().mean()) < _LEAST_DEAD:
            return
        self._dead = torch.nonzero(dead).flatten()
        live = self._columns = torch.nonzero(~dead).flatten()
        self._state = replace(
            state,
            feature_origin=state.feature_origin[live],
            feature_offset=state.feature_offset[live],
            feature_scatter=state.feature_scatter[live][:, live],
            cross_scatter=state.cross_scatter[live],
            single_scatter=state.single_scatter[live],
        )

    def _live(self, features: Tensor) -> Tensor:
        """The live columns; units woken by these rows become live first."""
        asleep = features.index_select(1, self._dead)
        awake = (asleep.amax(0) != 0) | (asleep.amin(0) != 0)  # four times as fast as any()
        if bool(awake.any()):
            self._absorb()
            self._fold()
            self._grow(self._dead[awake])
            self._dead = self._dead[~awake]
            self._renew(_BASIS_STEPS)
        return features.index_select(1, self._columns)

    def _grow(self, woken: Tensor) -> None:
        state, extra = self._state, len(woken)
        assert state is not None
        pad = torch.nn.functional.pad
        self._columns = torch.cat([self._columns, woken])
        self._state = replace(
            state,
            feature_origin=pad(state.feature_origin, (0, extra)),
            feature_offset=pad(state.feature_offset, (0, extra)),
            feature_scatter=pad(state.feature_scatter, (0, extra, 0, extra)),
            cross_scatter=pad(state.cross_scatter, (0, 0, 0, extra)),
            single_scatter=pad(state.single_scatter, (0, extra)),
        )

    def _renew(self, steps: int) -> None:
        """Sums for the columns that are live now, deflated where that pays; they must be empty."""
        state, live = self._state, len(self._columns)
        assert state is not None
        k = _most_deflated(live, self._target_dim)
        energy = float(state.feature_scatter.diagonal().sum())
        low, high = _SINGLE_RANGE
        in_range = low < (energy / max(state.count * live, 1)) ** 0.5 < high
        single = self._may_be_single and in_range and k > 0
        if single:
            basis, missed = self._leading_basis(k, steps)
        else:
            basis, missed = state.cross_scatter[:, :0], energy
        expected, dtype = missed / state.count, torch.float32 if single else torch.float64
        if self._sums and self._sums.kind == (live, basis.shape[1], dtype):
            self._sums.expect(basis, expected)
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

    def _leading_basis(self, k: int, steps: int) -> tuple[Tensor, float]:
        """Leading subspace of the rows so far, and the energy outside it."""
        state = self._state
        assert state is not None
        scatter = state.feature_scatter
        if self._basis is None or len(self._basis) != len(scatter):
            generator = torch.Generator("cpu").manual_seed(0)
            start = torch.randn(len(scatter), k, generator=generator, device="cpu")
            self._basis = start.to(self._device, torch.float64)
        for _ in range(steps):
            self._basis = torch.linalg.qr(scatter @ self._basis).Q
        captured = float((self._basis * (scatter @ self._basis)).sum())
        return self._basis, max(float(scatter.diagonal().sum()) - captured, 0.0)

    def _raise_not_finite(self, chunk: Tensor) -> None:
        bad = ~torch.isfinite(chunk).all(1)
        if bool(bad.any()):
            row = self._absorbed + int(torch.nonzero(bad)[0])
            raise NonFiniteError("features hold NaN or infinity", row=row)
        raise FeatureRangeError(
            f"features reach {float(chunk.abs().max()):.3g}: their squares overflow float64; "
            "rescale the inputs or the model"
        )


@contextlib.contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep autocast, TF32 and bfloat16 shortcuts out of the sums, whatever the caller has set."""
    precision = torch.get_float32_matmul_precision()
    if precision == "highest" and not torch.is_autocast_enabled(device.type):
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def _spread(values: Tensor, rows: Tensor, size: int) -> Tensor:
    """Rows of a larger array of zeros."""
    full = torch.zeros(size, *values.shape[1:], dtype=values.dtype, device=values.device)
    full[rows] = values
    return full
