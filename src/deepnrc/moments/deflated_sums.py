"""Sums of rows about a fixed origin, deflated by a fixed basis.

A float32 Gram matrix of collapsed features cannot hold their noise: its rounding errors are
relative to the signal. So the rows X are deflated. With U a basis of the leading subspace, C = XU
and R = X − CUᵀ, only CᵀC is summed in float64; [R, C, 1, Y]ᵀR, whose entries are of the size of
the noise, is summed in float32, chunk by chunk. X = CUᵀ + R holds for any U and C, so a stale
basis costs no more than accuracy, and a chunk with a larger residual than expected is summed in
float64.

With an empty basis and float64 products these are plain sums.
"""

import math

import torch
from torch import Tensor

from deepnrc.moments.buffers import Chunk, Views, Workspace
from deepnrc.moments.record import CHUNK_ROWS, Moments

__all__ = ["DeflatedSums", "mirrored"]

_SURPRISE = 4.0  # times the expected residual energy, beyond which a chunk is summed in float64
_HARMLESS_RESIDUAL = 1e-9  # share of the energy whose float32 rounding is below float64's of all


class DeflatedSums:
    """Gathers rows in chunks and sums these.

    Args:
        origin: Point subtracted from the features, d, float64.
        target_origin: The same for the targets, t.
        basis: Deflated directions, d × k; k = 0 sums plainly.
        workspace: Where chunks are multiplied, of the same d, k and t; its products are float32,
            or float64 with an empty basis.
        expected_residual: Expected energy of a row outside the basis.
    """

    def __init__(
        self,
        origin: Tensor,
        target_origin: Tensor,
        basis: Tensor,
        workspace: Workspace,
        *,
        expected_residual: float = 0.0,
    ) -> None:
        (width, k), t, device = basis.shape, len(target_origin), origin.device
        self._origin, self._target_origin = origin, target_origin
        self._workspace = workspace
        self._shift = origin.to(workspace.dtype)
        self._width, self._k = width, k
        self.change_basis(basis, expected_residual)
        self._chunk = workspace.chunk
        self._own: Chunk | None = None
        # Making the views anew for every chunk would take noticeable time.
        self._views = {workspace.chunk: workspace.chunk.views(width, CHUNK_ROWS)}
        side, double = k + 1 + t, torch.float64
        self._upper = torch.zeros(width, width, dtype=double, device=device)
        self._side = torch.zeros(side, width, dtype=double, device=device)
        self._inner = torch.zeros(side, side, dtype=double, device=device)
        self._single = torch.zeros(width, dtype=double, device=device)
        self.fill = self.count = 0

    @property
    def layout(self) -> tuple[int, int, torch.dtype]:
        """Width, basis size and dtype of the products."""
        return self._width, self._k, self._shift.dtype

    def change_basis(self, basis: Tensor, expected_residual: float) -> None:
        """Deflate by another basis of the same size from now on; the sums must be empty."""
        self._basis = basis.to(self._shift.dtype)
        self._basis_rows = self._basis.T.contiguous()
        self._expected_residual = expected_residual

    def put(self, features: Tensor, targets: Tensor) -> None:
        """Place rows in the chunk, which must have room for them.

        A full chunk is placed in the shared workspace, which is in the processor's cache; rows
        that wait for more are placed in memory of their own.
        """
        if not self.fill:
            self._chunk = self._workspace.chunk
            if len(features) < CHUNK_ROWS:
                self._chunk = self._own = self._own or self._new_chunk()
        place = slice(self.fill, self.fill + len(features))
        out = self._chunk.rows[place, : self._width]
        if features.dtype == out.dtype:
            torch.sub(features, self._shift, out=out)
        else:
            out.copy_(features).sub_(self._shift)
        torch.sub(targets, self._target_origin, out=self._chunk.targets[place])
        self.fill += len(features)

    def _new_chunk(self) -> Chunk:
        chunk = Chunk(self._workspace)
        self._views[chunk] = chunk.views(self._width, CHUNK_ROWS)
        return chunk

    def chunk(self) -> Tensor:
        """The rows of the chunk less the origin; after `add_chunk`, deflated too."""
        return self._chunk.rows[: self.fill, : self._width]

    def add_chunk(self) -> bool:
        """Sum the chunk and empty it; False, with nothing added, if its sums are not finite."""
        n, work = self.fill, self._workspace
        v = self._views[self._chunk] if n == CHUNK_ROWS else self._chunk.views(self._width, n)
        v.y.copy_(v.y_double)
        v.ones.fill_(1.0)
        inner = self._deflate(v)
        for left, right, out in v.blocks:
            torch.mm(left, right, out=out)
        gram, side = v.gram, torch.mm(v.side.T, v.x, out=v.side_product)
        energy, total = float(v.diagonal.sum()), float(inner.diagonal().sum())
        single = gram.dtype == torch.float32
        if single:
            allowed = max(_SURPRISE * self._expected_residual * n, _HARMLESS_RESIDUAL * total)
            if energy > allowed:
                single, x = False, v.x.double()
                gram, side = x.T @ x, v.side_double[:, : len(inner)].T @ x
                energy = float(gram.diagonal().sum())
        if not math.isfinite(energy + total):
            return False
        # The whole matrix: what is below the blocks is never read. Adding float32 to float64
        # directly would allocate a float64 copy each time.
        self._upper += work.as_double(gram)
        self._side += side
        self._inner += inner
        if single:
            self._single += v.diagonal
        elif work.dtype == torch.float32:
            # Summed in float64, but x, less C, is itself rounded to float32.
            self._single += torch.finfo(torch.float32).eps ** 2 * gram.diagonal()
        self.count += n
        self.fill = 0
        return True

    def _deflate(self, v: Views) -> Tensor:
        """Take the basis's part C out of the rows; returns [C, 1, Y]ᵀ[C, 1, Y]."""
        size = v.side.shape[1]
        inner = self._workspace.inner[:size, :size]
        if not self._k:
            torch.mm(v.side_double.T, v.side_double, out=self._workspace.inner)
            return inner
        torch.mm(v.x, self._basis, out=v.c)
        v.c_double.copy_(v.c)
        torch.mm(v.side_double.T, v.side_double, out=self._workspace.inner)
        if math.isfinite(float(inner.diagonal().sum())):
            v.x.addmm_(v.c, self._basis_rows, alpha=-1.0)
            return inner
        # Features near float32's largest number: C overflows. With C = 0 they stay as they are.
        v.c.zero_()
        v.c_double.zero_()
        torch.mm(v.side_double.T, v.side_double, out=self._workspace.inner)
        return inner

    def take(self) -> Moments:
        """Moments of the rows summed since the last call; the sums are empty afterwards."""
        n, k = self.count, self._k
        u = self._basis.double()
        side, inner = self._side, self._inner
        c_mean, y_mean, r_mean = inner[:k, k] / n, inner[k + 1 :, k] / n, side[k] / n
        # Centred XᵀX = RᵀR + UV + VᵀUᵀ with V = ½ CᵀCUᵀ + CᵀR; each term less that of its means.
        residual = mirrored(self._upper).addr_(r_mean, r_mean, alpha=-n)
        v = (inner[:k, :k] - n * torch.outer(c_mean, c_mean)) @ u.T / 2
        v += side[:k] - n * torch.outer(c_mean, r_mean)
        cross = side[k + 1 :].T - n * torch.outer(r_mean, y_mean)
        cross += u @ (inner[:k, k + 1 :] - n * torch.outer(c_mean, y_mean))
        uv = u @ v
        moments = Moments(
            count=n,
            feature_origin=self._origin,
            target_origin=self._target_origin,
            feature_offset=u @ c_mean + r_mean,
            target_offset=y_mean,
            feature_scatter=residual + uv + uv.T,
            cross_scatter=cross,
            target_scatter=inner[k + 1 :, k + 1 :] - n * torch.outer(y_mean, y_mean),
            single_scatter=self._single.clone(),
        )
        for sums in (self._upper, self._side, self._inner, self._single):
            sums.zero_()
        self.count = 0
        return moments


def mirrored(upper: Tensor) -> Tensor:
    """The symmetric matrix whose upper triangle is given."""
    return torch.triu(upper) + torch.triu(upper, 1).T
