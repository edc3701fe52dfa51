"""Local minima of ½‖F_K ⋯ F_1 − T‖² + Σ (λ_k/2)‖F_k‖² over a chain of factors, in float64.

By exact minimization over one factor at a time, each a ridge regression, and by Newton's method on
all of them with the full Hessian, which also tells a minimum from a saddle. No closed form of the
minima is used.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "ChainMinimum", "SolverStatus", "alternate", "newton", "without_samples"]

Array = NDArray[np.float64]

_GRADIENT_GOAL = 1e-13  # where steps no longer help; see `_relative`
_GRADIENT_LIMIT = 1e-9  # the most that still counts as stationary
_LOSS_ROUNDING = 1e-13  # relative changes of the loss below it mean nothing
_SADDLE = -1e-7  # curvature, in units of the penalties', below which a point is no minimum


class SolverStatus(StrEnum):
    """How a run of the solver ended."""

    CONVERGED = "converged"
    """The gradient vanishes and no direction curves downwards: a local minimum."""
    SADDLE = "stalled at a saddle"
    """The gradient vanishes but a direction curves downwards."""
    MAX_ITERATIONS = "max iterations"
    """The gradient did not vanish within the steps allowed."""


@dataclass(frozen=True)
class ChainMinimum:
    """Where a run of `newton` ended.

    Attributes:
        factors: F_1 to F_K.
        loss: The objective there.
        status: How it ended.
        gradient: Largest gradient over the factors, relative to ‖T‖ and √λ of the factor.
        curvature: Least eigenvalue of the Hessian, in units where a penalty alone gives 1.
        iterations: Steps taken.
        escapes: How many of them led away from a saddle.
    """

    factors: list[Array]
    loss: float
    status: SolverStatus
    gradient: float
    curvature: float
    iterations: int
    escapes: int


def without_samples(targets: Array) -> tuple[Array, Array]:
    """T (t × r, r = min(N, t)) and Q (N × r, orthonormal columns) with Y = √N Q Tᵀ.

    Features outside the columns of Q only add to the penalty, so that the best ones are √N Q F_1ᵀ
    with F_1 from the chain for T, whose size does not grow with N.
    """
    Q, R = np.linalg.qr(targets / np.sqrt(len(targets)))
    return R.T, Q


def alternate(factors: list[Array], T: Array, lam: Array, sweeps: int) -> list[Array]:
    """Minimize exactly over each factor in turn: min ½‖A F B − T‖² + (λ/2)‖F‖²."""
    factors = list(factors)
    for _ in range(sweeps):
        for k, value in enumerate(lam):
            left, right = _sides(factors, T)
            A, B = left[k], right[k]
            a, U = np.linalg.eigh(A.T @ A)
            b, V = np.linalg.eigh(B @ B.T)
            middle = U.T @ (A.T @ T @ B.T) @ V
            factors[k] = U @ (middle / (np.outer(a.clip(0), b.clip(0)) + value)) @ V.T
    return factors


def newton(
    factors: list[Array],
    T: Array,
    lam: Array,
    max_iterations: int,
    *,
    gradient_limit: float = _GRADIENT_LIMIT,
    max_escapes: int | None = None,
) -> ChainMinimum:
    """Newton's method with |eigenvalues| of the Hessian, so that it descends away from saddles.

    In the variables √λ F every penalty is ½‖·‖², so that unequal λ do no harm.

    Args:
        factors: F_1 to F_K to start from.
        T: The target of their product.
        lam: Their penalties.
        max_iterations: Steps, at most.
        gradient_limit: The relative gradient that counts as 0.
        max_escapes: Saddles to leave, at most; None for any number.
    """
    iterations = escapes = 0
    while True:
        gradient = _gradient(factors, T, lam)
        values, vectors = np.linalg.eigh(_hessian(factors, T, lam))
        size = _relative(gradient, factors, T)
        stationary, saddle = size <= gradient_limit, values[0] < _SADDLE
        done = size <= _GRADIENT_GOAL and not saddle
        if done or iterations >= max_iterations:
            break
        if saddle and stationary:
            if escapes == max_escapes:
                break
            escapes += 1
            step = vectors[:, 0] * np.linalg.norm(T)  # the loss falls either way
        else:
            # Rotations between layers change nothing: their eigenvalues are 0 and the gradient
            # along them is rounding, which a small floor would amplify. Where c equals an
            # eigenvalue of Σ_Y the loss is quartic, with a curvature of about gradient^{2/3}.
            floor = max(1e-10 * np.abs(values).max(), size ** (2 / 3))
            step = -vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), floor))
        moved = _descend(factors, step, T, lam)
        if moved is None:
            break  # only rounding is left to gain
        factors = moved
        iterations += 1
    status = SolverStatus.MAX_ITERATIONS
    if stationary:
        status = SolverStatus.SADDLE if saddle else SolverStatus.CONVERGED
    loss = _objective(factors, T, lam)
    return ChainMinimum(factors, loss, status, size, float(values[0]), iterations, escapes)


def _objective(factors: list[Array], T: Array, lam: Array) -> float:
    product = factors[0]
    for factor in factors[1:]:
        product = factor @ product
    prices = [value * np.vdot(factor, factor) for value, factor in zip(lam, factors, strict=True)]
    return float(0.5 * np.sum((product - T) ** 2) + 0.5 * sum(prices))


def _sides(factors: list[Array], T: Array) -> tuple[list[Array], list[Array]]:
    """The products to the left and to the right of every factor."""
    right = [np.eye(T.shape[1])]
    for factor in factors[:-1]:
        right.append(factor @ right[-1])
    left = [np.eye(T.shape[0])]
    for factor in reversed(factors[1:]):
        left.append(left[-1] @ factor)
    return left[::-1], right


def _descend(factors: list[Array], step: Array, T: Array, lam: Array) -> list[Array] | None:
    """The first better point along the step, halved up to 40 times; None if there is none."""
    loss = _objective(factors, T, lam)
    for halvings in range(40):
        pieces = _split(step * 0.5**halvings, factors)
        moved = [f + p / np.sqrt(v) for f, p, v in zip(factors, pieces, lam, strict=True)]
        lower = _objective(moved, T, lam)
        if lower < loss * (1 - _LOSS_ROUNDING):
            return moved
        # Close to a minimum the loss no longer resolves a step that the gradient still does.
        if lower <= loss * (1 + _LOSS_ROUNDING):
            old, new = _gradient(factors, T, lam), _gradient(moved, T, lam)
            if np.linalg.norm(new) < 0.5 * np.linalg.norm(old):
                return moved
    return None


def _split(vector: Array, factors: list[Array]) -> list[Array]:
    ends = np.cumsum([factor.size for factor in factors])[:-1]
    parts = np.split(vector, ends)
    return [part.reshape(factor.shape) for part, factor in zip(parts, factors, strict=True)]


def _relative(gradient: Array, factors: list[Array], T: Array) -> float:
    """Largest ‖∂/∂(√λ F)‖ over the factors, relative to the targets: free of all units."""
    largest = max(float(np.linalg.norm(part)) for part in _split(gradient, factors))
    scale = float(np.linalg.norm(T))
    return largest / scale if scale > 0 else largest


def _gradient(factors: list[Array], T: Array, lam: Array) -> Array:
    """Gradient in the variables √λ F, factors row by row, one after the other."""
    left, right = _sides(factors, T)
    residual = factors[-1] @ right[-1] - T
    parts = [
        (A.T @ residual @ B.T + value * factor) / np.sqrt(value)
        for A, B, factor, value in zip(left, right, factors, lam, strict=True)
    ]
    return np.concatenate([part.ravel() for part in parts])


def _hessian(factors: list[Array], T: Array, lam: Array) -> Array:
    """Hessian in the same variables.

    The product changes by A_k dF_k B_k to first order and by A_m dF_m M dF_k B_k to second, where A
    and B are the products to the left and right of a factor and M is the one between two.
    """
    left, right = _sides(factors, T)
    residual = factors[-1] @ right[-1] - T
    ends = np.cumsum([0, *(factor.size for factor in factors)])
    hessian = np.eye(ends[-1])
    for k, factor in enumerate(factors):
        between = np.eye(factor.shape[0])
        for m in range(k, len(factors)):
            block = np.einsum("ac,bd->abcd", left[m].T @ left[k], right[m] @ right[k].T)
            if m > k:
                turned = right[k] @ residual.T @ left[m]
                block += np.einsum("da,bc->abcd", turned, between)
                between = factors[m] @ between
            block = block.reshape(factors[m].size, factor.size) / np.sqrt(lam[m] * lam[k])
            hessian[ends[m] : ends[m + 1], ends[k] : ends[k + 1]] += block
            if m > k:
                hessian[ends[k] : ends[k + 1], ends[m] : ends[m + 1]] += block.T
    return hessian
