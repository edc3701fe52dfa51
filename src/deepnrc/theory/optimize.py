"""The unconstrained feature model minimized numerically, without the closed form.

Nothing here uses eigenvectors of Σ_Y, thresholds or balance: agreement with `deepnrc.theory.ufm`
is evidence for both.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepnrc.theory.arguments import MatrixLike, at_least, matrix, penalty
from deepnrc.theory.chain import SolverStatus, alternate, newton, without_samples

__all__ = ["UFMSolution", "minimize_ufm"]

_SWEEPS = 20  # exact minimizations over H and W in turn before Newton's method


@dataclass(frozen=True, eq=False)
class UFMSolution:
    """A stationary point of the unconstrained feature model and how it was reached.

    Attributes:
        weight: W, t × d.
        features: H, N × d.
        bias: b, length t; 0 without a bias.
        loss: Value of the objective.
        status: How the minimization ended.
        gradient: Largest gradient in √λ_H H/√N or √λ_W W, relative to the targets' deviation;
            dimensionless.
        steps: Steps of Newton's method.
        escapes: How many of them led away from a saddle.
    """

    weight: Tensor
    features: Tensor
    bias: Tensor
    loss: float
    status: SolverStatus
    gradient: float
    steps: int
    escapes: int

    @property
    def gram(self) -> Tensor:
        """W Wᵀ, t × t."""
        return self.weight @ self.weight.T


def minimize_ufm(
    targets: MatrixLike,
    *,
    lambda_h: float,
    lambda_w: float,
    width: int | None = None,
    bias: bool = True,
    start: MatrixLike | None = None,
    seed: int = 0,
    tolerance: float = 1e-11,
    max_steps: int = 2000,
    max_escapes: int = 10,
) -> UFMSolution:
    """Minimize the unconstrained feature model numerically, in float64.

    Minimizes (1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖² over all of H, W and b: by exact
    minimization over H and W in turn, then by Newton's method on both. Where the gradient is 0, the
    smallest eigenvalue of the Hessian decides whether it is a minimum; from a saddle the search
    goes on along the direction in which the objective falls.

    Args:
        targets: Y, N × t.
        lambda_h: λ_H > 0.
        lambda_w: λ_W > 0.
        width: d; default t.
        bias: Whether there is a b.
        start: W to start from, t × d, in place of a random one.
        seed: Of the random start.
        tolerance: Gradient (see `UFMSolution.gradient`) that counts as 0.
        max_steps: Steps of Newton's method, at most.
        max_escapes: Saddles to leave, at most; with 0 the first one is reported.

    Returns:
        The point reached; look at its ``status``.

    Raises:
        ArgumentError: A penalty is not positive and finite, the width is below 1, or the start has
            another shape.
    """
    rows = matrix(targets, "targets")
    penalties = {"lambda_h": lambda_h, "lambda_w": lambda_w}
    lam = [penalty(value, k, positive=True, finite=True) for k, value in penalties.items()]
    t = rows.shape[1]
    if start is None:
        at_least(1, width=t if width is None else width)
        generator = torch.Generator().manual_seed(seed)
        first = torch.randn(t, width or t, generator=generator, dtype=torch.float64)
    else:
        first = matrix(start, "start", rows=t, columns=width)
    # Whatever W is, the best b is the targets' mean: the features then have mean 0.
    offset = rows.mean(dim=0) if bias else torch.zeros(t, dtype=torch.float64)
    T, basis = without_samples((rows - offset).numpy())
    factors = [np.zeros((first.shape[1], T.shape[1])), first.numpy()]
    found = newton(
        alternate(factors, T, np.array(lam), _SWEEPS),
        T,
        np.array(lam),
        max_steps,
        gradient_limit=tolerance,
        max_escapes=max_escapes,
    )
    return UFMSolution(
        weight=torch.from_numpy(found.factors[1]),
        features=torch.from_numpy(np.sqrt(len(rows)) * basis @ found.factors[0].T),
        bias=offset,
        loss=found.loss,
        status=found.status,
        gradient=found.gradient,
        steps=found.iterations,
        escapes=found.escapes,
    )
