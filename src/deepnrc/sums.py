"""Sums of one stretch of rows about a fixed origin, deflated by a fixed basis.

A float32 Gram matrix of collapsed features cannot hold their noise: its rounding errors are of
the size of the signal. So rows X are deflated: with U a basis of the leading subspace, C = XU and
R = X − CUᵀ, only CᵀC is summed in float64, and [R, C, 1, Y]ᵀR, whose entries are of the size of
the noise, chunk by chunk in float32. X = CUᵀ + R holds for any U, so a stale basis costs
accuracy only, and a chunk whose residual is larger than expected is summed in float64.

With an empty basis and float64 products the same sums are plain ones.
"""

import torch
from torch import Tensor

from deepnrc.moments import CHUNK_ROWS, Moments

__all__ = ["ChunkSums", "mirrored"]

_BLOCK = 48  # columns a block row of the upper triangle; multiples of 16 run faster
_SURPRISE = 4.0  # residual energy over the expected one that sends a chunk to float64
_HARMLESS_RESIDUAL = 1e-9  # of all energy: float32 rounding of it is below float64's of the rest


class ChunkSums:
    """Gathers rows into chunks and sums them.

    Args:
        origin: Point subtracted from the features, d, float64.
        target_origin: The same for the targets, t.
        basis: Deflated directions, d × k; k = 0 sums plainly.
        expected_residual: Energy a row is expected to have outside the basis.
        dtype: Of the products: float32, or float64 with an empty basis.
    """

    def __init__(
        self,
        origin: Tensor,
        target_origin: Tensor,
        basis: Tensor,
        *,
        expected_residual: float = 0.0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        (width, k), t, device = basis.shape, len(target_origin), origin.device
        self._origin, self._target_origin = origin, target_origin
        self._shift = origin.to(dtype)
        self._width, self._k = width, k
        self.expect(basis, expected_residual)
        used = width + k + 1 + t
        stride = -(-used // 16) * 16  # aligned rows run faster
        # [X | C | 1 | Y] for the products, [C | 1 | Y] again in float64; X becomes R. What is
        # allocated here serves every chunk: touching fresh pages costs more than the sums do.
        self._rows = torch.empty(CHUNK_ROWS, stride, dtype=dtype, device=device)[:, :used]
        self._rows[:, width + k] = 1.0
        self._side_rows = torch.empty(CHUNK_ROWS, k + 1 + t, dtype=torch.float64, device=device)
        self._side_rows[:, k] = 1.0
        self._gram = torch.zeros(width, width, dtype=dtype, device=device)
        self._side_product = torch.empty(k + 1 + t, width, dtype=dtype, device=device)
        self._upper = torch.zeros(width, width, dtype=torch.float64, device=device)
        self._side = torch.zeros(k + 1 + t, width, dtype=torch.float64, device=device)
        self._inner = torch.zeros(k + 1 + t, k + 1 + t, dtype=torch.float64, device=device)
        self._single = torch.zeros(width, dtype=torch.float64, device=device)
        self._views = _Views(self._rows, self._side_rows, self._gram, k)
        self.fill = self.count = 0

    @property
    def kind(self) -> tuple[int, int, torch.dtype]:
        """Width, basis size and dtype."""
        return self._width, self._k, self._shift.dtype

    def expect(self, basis: Tensor, expected_residual: float) -> None:
        """Deflate by another basis of the same size from here on; the sums must be empty."""
        self._basis = basis.to(self._shift.dtype)
        self._expected_residual = expected_residual

    def put(self, features: Tensor, targets: Tensor) -> None:
        """Place rows in the chunk, which must have room for them."""
        place = slice(self.fill, self.fill + len(features))
        out = self._rows[place, : self._width]
        if features.dtype == out.dtype:
            torch.sub(features, self._shift, out=out)
        else:
            out.copy_(features).sub_(self._shift)
        torch.sub(targets, self._target_origin, out=self._side_rows[place, self._k + 1 :])
        self.fill += len(features)

    def chunk(self) -> Tensor:
        """The rows of the chunk so far, less the origin (deflated ones after `add_chunk`)."""
        return self._rows[: self.fill, : self._width]

    def targets(self) -> Tensor:
        """The targets of the chunk so far, less their origin."""
        return self._side_rows[: self.fill, self._k + 1 :]

    def add_chunk(self) -> bool:
        """Sum the chunk and empty it; False, with nothing added, if its sums are not finite."""
        n, k, gram, side = self.fill, self._k, self._gram, self._side_product
        v = self._views
        if n != CHUNK_ROWS:
            v = _Views(self._rows[:n], self._side_rows[:n], gram, k)
        v.y.copy_(v.y_double)
        if k:
            torch.mm(v.x, self._basis, out=v.c)
            v.x.addmm_(v.c, self._basis.T, alpha=-1.0)
            v.c_double.copy_(v.c)
        inner = v.side_double.T @ v.side_double
        for left, right, out in v.blocks:
            torch.mm(left, right, out=out)
        torch.mm(v.side.T, v.x, out=side)
        energy, total = float(v.diagonal.sum()), float(inner.diagonal().sum())
        single = gram.dtype == torch.float32
        if single:
            allowed = max(_SURPRISE * self._expected_residual * n, _HARMLESS_RESIDUAL * total)
            if not energy <= allowed:  # also when it is NaN
                single, x = False, v.x.double()
                gram, side = x.T @ x, v.side_double.T @ x
                energy = float(gram.diagonal().sum())
        if not energy + total < float("inf"):
            return False
        self._upper += gram  # whole: below the blocks it is zero or never read
        self._side += side
        self._inner += inner
        if single:
            self._single += v.diagonal
        elif self._gram.dtype == torch.float32:
            # Of x, less its part in the basis, no more than float32's rounding is lost.
            self._single += torch.finfo(torch.float32).eps ** 2 * gram.diagonal()
        self.count += n
        self.fill = 0
        return True

    def take(self) -> Moments:
        """Moments of the rows summed since the last call; the sums are empty afterwards."""
        n, k = self.count, self._k
        u = self._basis.double()
        side, inner = self._side, self._inner
        c_mean, y_mean, r_mean = inner[:k, k] / n, inner[k + 1 :, k] / n, side[k] / n
        # Centred: RᵀR + U V + VᵀUᵀ with V = ½ CᵀC Uᵀ + CᵀR, each less its means' part.
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


class _Views:
    """The parts of a chunk's arrays, cut once: cutting them for every chunk shows in the time."""

    def __init__(self, rows: Tensor, side_rows: Tensor, gram: Tensor, k: int) -> None:
        width = len(gram)
        self.x, self.c, self.side = rows[:, :width], rows[:, width : width + k], rows[:, width:]
        self.y, self.y_double = rows[:, width + k + 1 :], side_rows[:, k + 1 :]
        self.c_double, self.side_double = side_rows[:, :k], side_rows
        self.diagonal = gram.diagonal()
        # torch has no symmetric rank-n update; block rows of the upper triangle come near its
        # half of the full product's work.
        step = _BLOCK if width < 512 else 2 * _BLOCK
        self.blocks = [
            (self.x[:, i : i + step].T, self.x[:, i:], gram[i : i + step, i:])
            for i in range(0, width, step)
        ]


def mirrored(upper: Tensor) -> Tensor:
    """The symmetric matrix whose upper triangle is given."""
    return torch.triu(upper) + torch.triu(upper, 1).T
