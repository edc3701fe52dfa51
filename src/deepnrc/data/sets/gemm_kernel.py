"""A blocked matrix multiplication, compiled by numba, whose blocking is chosen at run time."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.support.optional import optional_import

__all__ = ["Kernel", "compile_kernel"]

Matrix = npt.NDArray[np.float32]
Kernel = Callable[[Matrix, Matrix, Matrix, int, int, int, int, int, int, int, int], None]
"""``kernel(A, B, C, tile_m, tile_n, tile_k, unroll, k_outermost, m_before_n, pack_a, pack_b)``
adds A B to C."""


def compile_kernel() -> Kernel:
    """The kernel as machine code; takes some seconds.

    Raises:
        ArgumentError: numba is not installed.
    """
    numba = optional_import("numba", purpose="timing a matrix multiplication", extra="gemm")

    def jit(function: Callable[..., None]) -> Callable[..., None]:
        # Under run-time type checks, as in the tests, functions come wrapped.
        compiled: Callable[..., None] = numba.njit(inspect.unwrap(function))
        return compiled

    return _blocked(jit, jit(_tile))


def _tile(a: Any, b: Any, c: Any, unroll: int) -> None:
    """C += A B for one tile, with `unroll` products each time a row of C is read and written."""
    m, depth = a.shape
    n = b.shape[1]
    for i in range(m):
        k = 0
        if unroll == 8:
            while k + 8 <= depth:
                a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                a4, a5, a6, a7 = a[i, k + 4], a[i, k + 5], a[i, k + 6], a[i, k + 7]
                for j in range(n):
                    c[i, j] += (
                        (a0 * b[k, j] + a1 * b[k + 1, j]) + (a2 * b[k + 2, j] + a3 * b[k + 3, j])
                    ) + (
                        (a4 * b[k + 4, j] + a5 * b[k + 5, j])
                        + (a6 * b[k + 6, j] + a7 * b[k + 7, j])
                    )
                k += 8
        elif unroll == 4:
            while k + 4 <= depth:
                a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
                for j in range(n):
                    c[i, j] += (a0 * b[k, j] + a1 * b[k + 1, j]) + (
                        a2 * b[k + 2, j] + a3 * b[k + 3, j]
                    )
                k += 4
        elif unroll == 2:
            while k + 2 <= depth:
                a0, a1 = a[i, k], a[i, k + 1]
                for j in range(n):
                    c[i, j] += a0 * b[k, j] + a1 * b[k + 1, j]
                k += 2
        while k < depth:
            a0 = a[i, k]
            for j in range(n):
                c[i, j] += a0 * b[k, j]
            k += 1


def _blocked(jit: Callable[[Any], Any], tile: Any) -> Kernel:
    """The multiplication by tiles; a closure, because numba compiles the tile's call into it."""

    @jit
    def kernel(  # type: ignore[no-untyped-def]
        a, b, c, tile_m, tile_n, tile_k, unroll, k_outermost, m_before_n, pack_a, pack_b
    ):
        m, depth = a.shape
        n = b.shape[1]
        packed_a = np.empty((tile_m, tile_k), np.float32)
        packed_b = np.empty((tile_k, tile_n), np.float32)
        steps_m, steps_n = -(-m // tile_m), -(-n // tile_n)
        steps_k = -(-depth // tile_k)
        inner_k = 1 if k_outermost else steps_k
        for outer in range(steps_k if k_outermost else 1):
            for step in range(steps_m * steps_n):
                if m_before_n:
                    i, j = step // steps_n * tile_m, step % steps_n * tile_n
                else:
                    i, j = step % steps_m * tile_m, step // steps_m * tile_n
                high_i, high_j = min(i + tile_m, m), min(j + tile_n, n)
                for inner in range(inner_k):
                    k = (outer if k_outermost else inner) * tile_k
                    high_k = min(k + tile_k, depth)
                    part_a, part_b = a[i:high_i, k:high_k], b[k:high_k, j:high_j]
                    if pack_a:
                        packed_a[: high_i - i, : high_k - k] = part_a
                        part_a = packed_a[: high_i - i, : high_k - k]
                    if pack_b:
                        packed_b[: high_k - k, : high_j - j] = part_b
                        part_b = packed_b[: high_k - k, : high_j - j]
                    tile(part_a, part_b, c[i:high_i, j:high_j], unroll)

    return kernel  # type: ignore[no-any-return]
