"""Closed form beside a numerical minimum that does not use it: do they agree?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.support.text import Table
from deepnrc.theory.arguments import MatrixLike, at_least
from deepnrc.theory.chain import SolverStatus
from deepnrc.theory.covariance import targets_with_covariance
from deepnrc.theory.deep_optimize import minimize_deep_ufm
from deepnrc.theory.deep_optimum import DeepUFMOptimum
from deepnrc.theory.deep_ufm import deep_ufm_optimum
from deepnrc.theory.optimize import minimize_ufm
from deepnrc.theory.optimum import UFMOptimum
from deepnrc.theory.text import long, matrix_lines
from deepnrc.theory.ufm import ufm_optimum

__all__ = ["OptimumCheck", "check_deep_ufm", "check_ufm"]

LOSS_RTOL = 1e-9
GRAM_RTOL = 1e-6  # where an eigenvalue of Σ_Y equals c, a gradient of rounding size leaves 1e-8
Solved = tuple[float, SolverStatus, Tensor]  # loss, status, W Wᵀ of the last weight

_MOST_COLUMNS = 6  # of a Gram matrix; wider ones are not printed


@dataclass(frozen=True, eq=False)
class OptimumCheck:
    """The optimum in closed form beside the lowest point that the solver found.

    Attributes:
        loss: L*, in closed form.
        gram: W Wᵀ of the last weight in closed form, t × t; NaN where the minimum is not unique.
        rank: Its rank.
        solver_losses: What the solver reached from each seed.
        solver_statuses: How it ended there.
        solver_gram: W Wᵀ of the last weight at the lowest of these points.
        solver_rank: Its eigenvalues above 1e-6, relative to L*/λ with λ that weight's penalty.
        loss_difference: |lowest loss − L*|/L*; at most 1e-9 to agree.
        gram_difference: Frobenius norm of the Gram matrices' difference, relative to L*/λ; at most
            1e-6 to agree, unless the minimum is not unique.
        agrees: Whether the solver converged there and both differences are small enough.
    """

    loss: float
    gram: Tensor
    rank: int
    solver_losses: tuple[float, ...]
    solver_statuses: tuple[SolverStatus, ...]
    solver_gram: Tensor
    solver_rank: int
    loss_difference: float
    gram_difference: float
    agrees: bool

    def __str__(self) -> str:
        """Both sides, the solver's runs, and the verdict."""
        unique = not bool(self.gram.isnan().any())
        rows = (
            ("loss L*", long(self.loss), long(min(self.solver_losses)),
             f"{self.loss_difference:.1e}", f"{LOSS_RTOL:g}"),
            ("W Wᵀ", "", "", f"{self.gram_difference:.1e}" if unique else "–",
             f"{GRAM_RTOL:g}"),
            ("rank", str(self.rank), str(self.solver_rank), "", ""),
        )  # fmt: skip
        headings = ("", "closed form", "solver", "difference", "limit")
        note = "–: a direction is at the threshold, where two minima have the same loss"
        lines = [str(Table(headings, rows, () if unique else (note,))), ""]
        if len(self.gram) <= _MOST_COLUMNS:
            lines += ["W Wᵀ in closed form", *matrix_lines(self.gram)]
            lines += ["W Wᵀ of the solver", *matrix_lines(self.solver_gram), ""]
        seeds = zip(self.solver_losses, self.solver_statuses, strict=True)
        lines += [f"seed {i}: {long(loss)}, {status}" for i, (loss, status) in enumerate(seeds)]
        verdict = "The solver agrees" if self.agrees else "The solver DOES NOT AGREE"
        return "\n".join([*lines, "", f"{verdict} with the closed form."])


def check_ufm(
    target_covariance: MatrixLike,
    *,
    lambda_h: float,
    lambda_w: float,
    target_mean: MatrixLike | None = None,
    bias: bool = True,
    seeds: int = 5,
) -> OptimumCheck:
    """Minimize the unconstrained feature model from several seeds; compare with `ufm_optimum`.

    Args:
        target_covariance: Σ_Y, t × t.
        lambda_h: λ_H, positive and finite.
        lambda_w: λ_W, positive and finite.
        target_mean: As for `ufm_optimum`.
        bias: As for `ufm_optimum`.
        seeds: How often to start the solver, 1 or more.

    Raises:
        ArgumentError: The closed form or the solver refuses an argument, or there is no seed.
    """
    best = ufm_optimum(
        target_covariance, lambda_h=lambda_h, lambda_w=lambda_w, target_mean=target_mean, bias=bias
    )
    targets = targets_with_covariance(target_covariance, target_mean=target_mean)

    def solve(seed: int) -> Solved:
        found = minimize_ufm(targets, lambda_h=lambda_h, lambda_w=lambda_w, bias=bias, seed=seed)
        return found.loss, found.status, found.gram

    return _compared(best, best.gram, lambda_w, solve, seeds)


def check_deep_ufm(
    target_covariance: MatrixLike,
    *,
    lambdas: Sequence[float],
    lambda_h: float,
    seeds: int = 5,
) -> OptimumCheck:
    """Minimize the deep linear model from several seeds; compare with `deep_ufm_optimum`.

    Args:
        target_covariance: Σ_Y, t × t.
        lambdas: Penalties of W_1 to W_L, positive and finite.
        lambda_h: Penalty of the features, positive and finite.
        seeds: How often to start the solver, 1 or more; it has many starts of its own.

    Raises:
        ArgumentError: As of `check_ufm`.
    """
    best = deep_ufm_optimum(target_covariance, lambdas=lambdas, lambda_h=lambda_h)
    targets = targets_with_covariance(target_covariance)

    def solve(seed: int) -> Solved:
        found = minimize_deep_ufm(targets, lambdas=lambdas, lambda_h=lambda_h, seed=seed)
        last = torch.from_numpy(found.weights[-1])
        return found.loss, found.status, last @ last.T

    gram = best.grams[-1]
    if len(lambdas) > 1 and bool(best.tied.any()):
        gram = torch.full_like(gram, math.nan)
    return _compared(best, gram, lambdas[-1], solve, seeds)


def _compared(
    best: UFMOptimum | DeepUFMOptimum,
    gram: Tensor,
    last_penalty: float,
    solve: Callable[[int], Solved],
    seeds: int,
) -> OptimumCheck:
    at_least(1, seeds=seeds)
    losses, statuses, grams = zip(*map(solve, range(seeds)), strict=True)
    lowest = losses.index(min(losses))
    scale = best.loss or 1.0  # of constant targets everything is 0
    loss_difference = abs(losses[lowest] - best.loss) / scale
    gram_difference = float(torch.linalg.matrix_norm(grams[lowest] - gram)) / scale * last_penalty
    least = GRAM_RTOL * scale / last_penalty
    return OptimumCheck(
        loss=best.loss,
        gram=gram,
        rank=best.rank,
        solver_losses=losses,
        solver_statuses=statuses,
        solver_gram=grams[lowest],
        solver_rank=int((torch.linalg.eigvalsh(grams[lowest]) > least).sum()),
        loss_difference=loss_difference,
        gram_difference=gram_difference,
        agrees=statuses[lowest] is SolverStatus.CONVERGED
        and loss_difference <= LOSS_RTOL
        and (bool(gram.isnan().any()) or gram_difference <= GRAM_RTOL),
    )
