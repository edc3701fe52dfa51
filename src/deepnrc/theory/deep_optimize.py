"""The deep linear unconstrained feature model minimized numerically, without the closed form.

Nothing here uses eigenvectors of Σ_Y, thresholds or balance: agreement with
`deepnrc.theory.deep_ufm` is evidence for both.

The zero solution is a local minimum for L ≥ 2, and so is every choice of directions kept at the
larger root. Hence the many starts, some for every rank that a product can have.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from deepnrc.theory.arguments import MatrixLike, at_least, layer_penalties, matrix
from deepnrc.theory.chain import (
    Array,
    ChainMinimum,
    SolverStatus,
    alternate,
    newton,
    without_samples,
)

__all__ = ["DeepUFMSolution", "minimize_deep_ufm"]

# Shares of the penalties that the continuation goes through; the last stretch is the starts' own.
_CONTINUATION = (1e-4, 1e-2, 0.1, 0.3, 0.6)


@dataclass(frozen=True)
class DeepUFMSolution:
    """The lowest point that any start reached.

    Attributes:
        status: How the run that found it ended.
        loss: The objective there.
        weights: W_1 to W_L, outputs × inputs.
        features: H, N × d, samples in rows.
        gradient: Largest gradient over the factors, relative to ‖Y‖/√N and √λ of the factor.
        curvature: Least eigenvalue of the Hessian, in units where a penalty alone gives 1; −1e-7
            and above counts as 0.
        iterations: Steps of Newton's method in that run.
        start_losses: What every start reached: how often was the lowest found?
        start_statuses: How every start's run ended.
    """

    status: SolverStatus
    loss: float
    weights: tuple[Array, ...]
    features: Array
    gradient: float
    curvature: float
    iterations: int
    start_losses: tuple[float, ...]
    start_statuses: tuple[SolverStatus, ...]


def minimize_deep_ufm(
    targets: MatrixLike,
    *,
    lambdas: Iterable[float],
    lambda_h: float,
    width: int | None = None,
    starts_per_rank: int = 1,
    continuation: bool = True,
    sweeps: int = 20,
    max_iterations: int = 200,
    seed: int = 0,
) -> DeepUFMSolution:
    """Minimize the deep linear unconstrained feature model numerically.

    (1/2N)‖H W_1ᵀ ⋯ W_Lᵀ − Y‖² + Σ_l (λ_l/2)‖W_l‖² + (λ_H/2N)‖H‖², in float64. A step costs the
    cube of the number of unknowns, min(N, t)·d + (L − 1)·d² + t·d: meant for checks on small
    problems, up to a few hundred.

    Args:
        targets: Y, N × t. Centre them for a model with bias.
        lambdas: Penalties of W_1 to W_L, positive and finite.
        lambda_h: Penalty of the features, positive and finite.
        width: d, of the features and all hidden layers; None for t.
        starts_per_rank: Random starts for every rank from 1 to min(t, d, N), next to the zero one.
        continuation: Start also from the minimum of small penalties, followed while they grow to
            their values, so that weak directions next to strong ones are not lost on the way; and
            from it with the weakest directions cut off, one after the other.
        sweeps: Exact minimizations over every factor before Newton's method.
        max_iterations: Steps of Newton's method, at most.
        seed: Of the random rotations that the starts are made with.

    Returns:
        The lowest point found. Its status says whether it is a local minimum; whether it is the
        global one, the solver cannot know.

    Raises:
        ArgumentError: A penalty is not positive and finite, or a count is out of range.
    """
    penalties, penalty_h = layer_penalties(lambdas, lambda_h, finite=True)
    lam = np.array([penalty_h, *penalties])
    T, basis = without_samples(matrix(targets, "targets").numpy())
    t, rows = T.shape
    d = t if width is None else width
    at_least(1, width=d)
    at_least(0, starts_per_rank=starts_per_rank, sweeps=sweeps, max_iterations=max_iterations)
    shapes = [(d, rows), *[(d, d)] * (len(penalties) - 1), (t, d)]
    largest = min(t, d, rows)
    rng = np.random.default_rng(seed)

    def run(start: list[Array], lam: Array) -> ChainMinimum:
        return newton(alternate(start, T, lam, sweeps), T, lam, max_iterations)

    starts = [[np.zeros(shape) for shape in shapes]]
    for rank in range(largest, 0, -1):
        starts += [_random_start(T, shapes, lam, rank, rng) for _ in range(starts_per_rank)]
    if continuation:
        start = _random_start(T, shapes, lam, largest, rng)
        for share in _CONTINUATION:
            start = run(start, share * lam).factors
        starts += [[*start[:-1], _truncated(start[-1], r)] for r in range(min(t, d), 0, -1)]
    runs = [run(start, lam) for start in starts]
    # A run that converged is preferred to a lower one that did not, which may lead elsewhere.
    best = min(runs, key=lambda run: (run.status != SolverStatus.CONVERGED, run.loss))
    return DeepUFMSolution(
        status=best.status,
        loss=best.loss,
        weights=tuple(best.factors[1:]),
        features=np.sqrt(len(basis)) * basis @ best.factors[0].T,
        gradient=best.gradient,
        curvature=best.curvature,
        iterations=best.iterations,
        start_losses=tuple(run.loss for run in runs),
        start_statuses=tuple(run.status for run in runs),
    )


def _random_start(
    T: Array, shapes: list[tuple[int, int]], lam: Array, rank: int, rng: np.random.Generator
) -> list[Array]:
    """Random rotations; the last factor of the given rank; every factor costs about the same."""
    size = np.linalg.norm(T) / np.sqrt(rank)
    cost = np.exp(np.log(lam).mean()) * size ** (2 / len(lam))
    factors = []
    for (rows, columns), value in zip(shapes, lam, strict=True):
        left, _, right = np.linalg.svd(rng.standard_normal((rows, columns)), full_matrices=False)
        factors.append(np.sqrt(cost / value) * left @ right)
    factors[-1] = _truncated(factors[-1], rank)
    return factors


def _truncated(factor: Array, rank: int) -> Array:
    left, values, right = np.linalg.svd(factor, full_matrices=False)
    cut: Array = (left[:, :rank] * values[:rank]) @ right[:rank]
    return cut
