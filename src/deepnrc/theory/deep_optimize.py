"""The deep linear unconstrained feature model minimised numerically, knowing no closed form.

Nothing here knows eigenvectors of Σ_Y, thresholds or balance; the objective is the only thing
shared with `deep_ufm`, so that their agreement is evidence for both.

The zero solution is a local minimum for L ≥ 2, and so is every choice of directions kept at the
larger root. That is what the many starts are for: some for every rank a product can have.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from deepnrc.errors import ArgumentError
from deepnrc.theory.covariance import MatrixLike, matrix
from deepnrc.theory.deep_descent import Array, SolverStatus, alternate, newton
from deepnrc.theory.deep_ufm import deep_ufm_penalties

__all__ = ["DeepUFMSolution", "SolverStatus", "minimize_deep_ufm"]

# Shares of the penalties that the continuation goes through; the last stretch is the starts' own.
_CONTINUATION = (1e-4, 1e-2, 0.1, 0.3, 0.6)


@dataclass(frozen=True)
class DeepUFMSolution:
    """The lowest point that the starts reached.

    Attributes:
        status: How the run that found it ended.
        loss: The objective there.
        weights: W_1 to W_L, outputs × inputs.
        features: H, N × d, samples in rows.
        gradient: Largest gradient over the factors, relative to ‖Y‖/√N and √λ of the factor.
        curvature: Least eigenvalue of the Hessian, in units where a penalty alone gives 1; −1e-7
            and above is none.
        iterations: Newton's steps of that run.
        start_losses: What every start reached, so that one sees how often the lowest was found.
        start_statuses: And how it ended.
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
    """Minimises the deep linear unconstrained feature model over features and weights.

    (1/2N)‖H W_1ᵀ ⋯ W_Lᵀ − Y‖² + Σ_l (λ_l/2)‖W_l‖² + (λ_H/2N)‖H‖², in float64. A step costs the
    cube of the number of unknowns, N·d + (L − 1)·d² + t·d: meant for checks on small problems, up
    to a few hundred.

    Args:
        targets: Y, N × t. Centre them for a model with bias.
        lambdas: Penalties of W_1 to W_L, positive and finite.
        lambda_h: Penalty of the features, positive and finite.
        width: d, of the features and all hidden layers; None for t.
        starts_per_rank: Random starts for every rank from 1 to min(t, d, N), next to the zero one.
        continuation: Start also from the minimum of small penalties, followed while they grow to
            their values, so that weak directions next to strong ones are not lost on the way; and
            from it with the weakest directions cut off, one after the other.
        sweeps: Exact minimisations over every factor before Newton's method.
        max_iterations: Newton's steps allowed.
        seed: Of the random rotations the starts are made with.

    Returns:
        The lowest point found. Its status speaks of that point as a local minimum: that no start
        missed the global one cannot be known from within.

    Raises:
        ArgumentError: A penalty is not positive and finite, or a shape or count is out of range.
    """
    penalties, penalty_h = deep_ufm_penalties(lambdas, lambda_h)
    lam = np.array([penalty_h, *penalties])
    if not np.isfinite(lam).all():
        raise ArgumentError(
            f"lambdas and lambda_h must be finite to minimise over, got lambdas {penalties} and "
            f"lambda_h {penalty_h}"
        )
    Y = matrix(targets, "targets").numpy()
    rows, t = Y.shape
    width = t if width is None else width
    for name, value, least in (
        ("width", width, 1),
        ("starts_per_rank", starts_per_rank, 0),
        ("sweeps", sweeps, 0),
        ("max_iterations", max_iterations, 0),
    ):
        if value < least:
            raise ArgumentError(f"{name} must be at least {least}, got {value}")

    T = Y.T / np.sqrt(rows)  # with H/√N as the first factor, all factors are alike
    shapes = [(width, rows), *[(width, width)] * (len(penalties) - 1), (t, width)]
    rng = np.random.default_rng(seed)
    starts = [[np.zeros(shape) for shape in shapes]]
    for rank in range(min(t, width, rows), 0, -1):
        starts += [_random_start(T, shapes, lam, rank, rng) for _ in range(starts_per_rank)]
    if continuation:
        start = _random_start(T, shapes, lam, min(t, width, rows), rng)
        for share in _CONTINUATION:
            part = share * lam
            start = newton(alternate(start, T, part, sweeps), T, part, max_iterations).factors
        starts += _truncations(start)
    runs = [newton(alternate(start, T, lam, sweeps), T, lam, max_iterations) for start in starts]
    # One that converged before a lower one that did not: the lower may be on its way elsewhere.
    best = min(runs, key=lambda run: (run.status != SolverStatus.CONVERGED, run.loss))
    return DeepUFMSolution(
        status=best.status,
        loss=best.loss,
        weights=tuple(best.factors[1:]),
        features=best.factors[0].T * np.sqrt(rows),
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


def _truncations(factors: list[Array]) -> list[list[Array]]:
    """The same factors, the last one cut to its leading r directions, for every r down to 1."""
    last = factors[-1]
    return [[*factors[:-1], _truncated(last, rank)] for rank in range(min(last.shape), 0, -1)]


def _truncated(factor: Array, rank: int) -> Array:
    left, values, right = np.linalg.svd(factor, full_matrices=False)
    cut: Array = (left[:, :rank] * values[:rank]) @ right[:rank]
    return cut
