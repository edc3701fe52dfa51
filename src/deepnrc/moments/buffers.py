"""Memory in which chunks of rows are placed and multiplied, used again for every chunk.

Layers are summed one after the other, so all of one shape share one workspace, which stays in the
processor's cache. A buffer for each layer would push the network's activations out of it, and
memory allocated for each chunk would cost more in page faults than the sums do.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from deepnrc.moments.record import CHUNK_ROWS

__all__ = ["Chunk", "Views", "Workspace", "Workspaces", "chunk_bytes", "workspace_bytes"]

_BLOCK = 48  # rows in a block of the upper triangle; multiples of 16 run faster
_ALIGNED = 8  # columns of small products: one of 24 is faster than one of 21


class Views(NamedTuple):
    """The parts of a chunk of n rows, and where their products go.

    X, C, 1, [C, 1, Y] and Y in the dtype of the products; C, [C, 1, Y] and Y in float64; the Gram
    matrix of X, its diagonal, the blocks of its upper triangle as (left, right, out), and
    [C, 1, Y]ᵀX.
    """

    x: Tensor
    c: Tensor
    ones: Tensor
    side: Tensor
    y: Tensor
    c_double: Tensor
    side_double: Tensor
    y_double: Tensor
    gram: Tensor
    diagonal: Tensor
    blocks: list[tuple[Tensor, Tensor, Tensor]]
    side_product: Tensor


class Workspace:
    """A chunk of rows and its products.

    Args:
        width: d of the layers that share it; their live columns may be fewer.
        basis_size: k.
        target_dim: t.
        dtype: Of the products, float32 or float64.
        device: Where the rows are.
    """

    def __init__(
        self,
        width: int,
        basis_size: int,
        target_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.width, self.basis_size, self.target_dim = width, basis_size, target_dim
        self.dtype, self.device = dtype, device
        self.side_width = basis_size + 1 + target_dim
        self.gram = torch.zeros(width, width, dtype=dtype, device=device)
        self.side = torch.empty(self.side_width, width, dtype=dtype, device=device)
        padded = -(-self.side_width // _ALIGNED) * _ALIGNED
        self.inner = torch.empty(padded, padded, dtype=torch.float64, device=device)
        cells = 0 if dtype == torch.float64 else width
        self._double = torch.empty(cells, cells, dtype=torch.float64, device=device)
        self.chunk = Chunk(self)

    def as_double(self, gram: Tensor) -> Tensor:
        """The matrix in float64; valid until the next call."""
        if gram.dtype == torch.float64:
            return gram
        return self._double[: len(gram), : len(gram)].copy_(gram)


class Chunk:
    """A chunk of rows: [X | C | 1 | Y] in the dtype of the products, [C | 1 | Y] in float64."""

    def __init__(self, workspace: Workspace) -> None:
        k, t = workspace.basis_size, workspace.target_dim
        self._workspace = workspace
        stride = -(-(workspace.width + k + 1 + t) // 16) * 16  # aligned rows run faster
        device = workspace.device
        self.rows = torch.empty(CHUNK_ROWS, stride, dtype=workspace.dtype, device=device)
        padded = len(workspace.inner)
        self._side = torch.zeros(CHUNK_ROWS, padded, dtype=torch.float64, device=device)
        self._side[:, k] = 1.0
        self.targets = self._side[:, k + 1 : k + 1 + t]

    def views(self, width: int, n: int) -> Views:
        """The parts of the first n rows of a layer with this many live columns."""
        work = self._workspace
        k, end = work.basis_size, width + work.side_width
        rows, side, gram = self.rows[:n], self._side[:n], work.gram[:width, :width]
        x = rows[:, :width]
        # torch has no symmetric rank-n update, which does half the work of a full product; blocks
        # of the upper triangle come near that.
        step = _BLOCK if width < 512 else 2 * _BLOCK
        return Views(
            x=x,
            c=rows[:, width : width + k],
            ones=rows[:, width + k],
            side=rows[:, width:end],
            y=rows[:, width + k + 1 : end],
            c_double=side[:, :k],
            side_double=side,
            y_double=self.targets[:n],
            gram=gram,
            diagonal=gram.diagonal(),
            blocks=[
                (x[:, i : i + step].T, x[:, i:], gram[i : i + step, i:])
                for i in range(0, width, step)
            ],
            side_product=work.side[:, :width],
        )


class Workspaces:
    """The workspaces of one pass, by shape, dtype and device."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Workspace] = {}

    def get(
        self,
        width: int,
        basis_size: int,
        target_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Workspace:
        """The workspace of this shape, made when first asked for."""
        key = (width, basis_size, target_dim, dtype, device)
        if key not in self._made:
            self._made[key] = Workspace(width, basis_size, target_dim, dtype=dtype, device=device)
        return self._made[key]


def chunk_bytes(width: int, basis_size: int, target_dim: int) -> int:
    """Bound of the memory of one chunk."""
    side = basis_size + 1 + target_dim
    return 8 * CHUNK_ROWS * (width + 2 * side + 16 + _ALIGNED)


def workspace_bytes(width: int, basis_size: int, target_dim: int) -> int:
    """Bound of the memory of one workspace."""
    side = basis_size + 1 + target_dim
    products = 12 * width**2 + 8 * side * width + 8 * (side + _ALIGNED) ** 2
    return products + chunk_bytes(width, basis_size, target_dim)
