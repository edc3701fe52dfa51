"""Numerical minimum of the unconstrained feature model, from the objective alone.

Nothing here knows a closed form: features are the ridge regression on a given W, W that on given
features (alternating exact minimisation); then L-BFGS and Newton's method go on with W alone, the
features eliminated. Agreement with `deepnrc.theory.ufm` is therefore evidence for both.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.covariance import MatrixLike, covariance_spectrum, matrix, square_matrix
from deepnrc.theory.deep_descent import SolverStatus

__all__ = ["SolverStatus", "UFMSolution", "minimize_ufm", "targets_with_covariance"]

_ALTERNATIONS = 30
_LBFGS_STEPS = 200  # before Newton's method is tried
_LBFGS_GRADIENT = 1e-6  # where Newton's method takes over
_NEWTON_STEPS = 100
_FLAT = 1e-10  # share of the largest curvature below which a direction is flat
_NEGATIVE_CURVATURE = -1e-7  # of the scaled objective, whose curvatures are of order 1


@dataclass(frozen=True, eq=False)
class UFMSolution:
    """A stationary point of the unconstrained feature model and how it was reached.

    Attributes:
        weight: W, t × d.
        features: H, N × d.
        bias: b, length t; 0 without a bias.
        loss: Value of the objective.
        status: How the minimisation ended.
        gradient: Largest entry of the gradient in W, of the problem scaled to unit targets and
            equal penalties, divided by the scaled penalty; dimensionless.
        steps: Evaluations of the objective by L-BFGS.
        escapes: Saddles left on the way.
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


def targets_with_covariance(
    target_covariance: MatrixLike, *, target_mean: MatrixLike | None = None
) -> Tensor:
    """The fewest symmetric targets with exactly this covariance and mean: 2t rows.

    Args:
        target_covariance: Σ_Y, t × t.
        target_mean: Length t; default 0.

    Returns:
        Y, 2t × t: mean ± √t times each column of Σ_Y^{1/2}.

    Raises:
        ArgumentError: Not a covariance matrix.
    """
    covariance = square_matrix(target_covariance, "target_covariance")
    spectrum = covariance_spectrum(covariance, "target_covariance")
    root = math.sqrt(len(covariance)) * (spectrum.vectors * spectrum.values.sqrt()).T
    rows = torch.cat([root, -root])
    return rows if target_mean is None else rows + matrix(target_mean, "target_mean").flatten()


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
    """Minimise the unconstrained feature model numerically, in float64.

    Minimises (1/2N)‖HWᵀ + 1bᵀ − Y‖² + (λ_H/2N)‖H‖² + (λ_W/2)‖W‖² over all of H, W and b. At a
    point where the gradient is 0 the smallest eigenvalue of the Hessian decides whether it is a
    minimum; from a saddle the search goes on along the direction in which the objective falls.

    Args:
        targets: Y, N × t.
        lambda_h: λ_H > 0.
        lambda_w: λ_W > 0.
        width: d; default t.
        bias: Whether there is a b.
        start: W to start from, t × d, in place of a random one.
        seed: Of the random start.
        tolerance: Gradient (see `UFMSolution.gradient`) that counts as 0.
        max_steps: Evaluations of the objective at most.
        max_escapes: Saddles to leave at most; 0 reports the first one.

    Returns:
        The point reached; look at its ``status``.

    Raises:
        ArgumentError: A penalty is not positive and finite, the width is not positive, or the
            start has another shape.
    """
    rows = matrix(targets, "targets")
    for name, value in (("lambda_h", lambda_h), ("lambda_w", lambda_w)):
        if not 0 < value < math.inf:
            raise ArgumentError(
                f"{name} must be positive and finite for a numerical minimum, got {value}; with 0 "
                "no point or a whole family minimises"
            )
    t = rows.shape[1]
    first = _start(start, t, width, seed)
    # Whatever W is, the best b is the targets' mean: the features then have mean 0.
    offset = rows.mean(dim=0) if bias else torch.zeros(t, dtype=torch.float64)
    # Units in which the targets have variance 1 and both penalties are equal.
    size = float((rows - offset).square().mean().sqrt()) or 1.0
    unit = math.sqrt(math.sqrt(lambda_h) / math.sqrt(lambda_w) * size)
    problem = _Problem((rows - offset) / size, math.sqrt(lambda_h) * math.sqrt(lambda_w) / size)

    weight = first / unit
    for _ in range(_ALTERNATIONS):
        weight = problem.best_weight(problem.best_features(weight))
    steps, escapes = 0, 0
    while True:
        weight, used = problem.descend(weight, min(_LBFGS_STEPS, max_steps - steps))
        steps += used
        polished, gradient = problem.polish(weight, tolerance)
        if not gradient <= tolerance:  # Newton's method was started too far away
            if steps < max_steps:
                continue
            gradient = float(problem.gradient(weight).abs().max())
            status = SolverStatus.MAX_ITERATIONS
            break
        weight = polished
        curvature, direction = problem.smallest_curvature(weight)
        if curvature >= _NEGATIVE_CURVATURE:
            status = SolverStatus.CONVERGED
            break
        if escapes >= max_escapes or steps >= max_steps:
            status = SolverStatus.SADDLE
            break
        escapes += 1
        weight = weight + 0.1 * direction
    features = problem.best_features(weight) * (size / unit)
    loss = problem.value(weight) * size**2 * problem.penalty
    return UFMSolution(
        weight=weight * unit,
        features=features,
        bias=offset,
        loss=float(loss),
        status=status,
        gradient=gradient,
        steps=steps,
        escapes=escapes,
    )


def _start(start: MatrixLike | None, t: int, width: int | None, seed: int) -> Tensor:
    if start is not None:
        first = matrix(start, "start")
        if first.shape[0] != t or width not in (None, first.shape[1]):
            raise ArgumentError(
                f"start must be {t} × {'d' if width is None else width}, got {tuple(first.shape)}"
            )
        return first
    d = t if width is None else width
    if d < 1:
        raise ArgumentError(f"width must be 1 or more, got {d}")
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(t, d, generator=generator, dtype=torch.float64)


class _Problem:
    """The objective divided by its penalty μ, as a function of W alone: H is at its best for W."""

    def __init__(self, targets: Tensor, penalty: float) -> None:
        self.targets = targets
        self.penalty = penalty
        self.samples = len(targets)

    def best_features(self, weight: Tensor) -> Tensor:
        """Ridge regression of each sample's targets on the columns of W."""
        square = weight @ weight.T + self.penalty * torch.eye(len(weight), dtype=torch.float64)
        features: Tensor = torch.linalg.solve(square, self.targets.T).T @ weight
        return features

    def best_weight(self, features: Tensor) -> Tensor:
        """Ridge regression of the targets on the features."""
        d = features.shape[1]
        square = features.T @ features / self.samples
        square = square + self.penalty * torch.eye(d, dtype=torch.float64)
        weight: Tensor = torch.linalg.solve(square, features.T @ self.targets / self.samples).T
        return weight

    def value(self, weight: Tensor) -> Tensor:
        features = self.best_features(weight)
        misfit = (features @ weight.T - self.targets).square().sum() / self.samples
        size = features.square().sum() / self.samples + weight.square().sum()
        return (misfit / self.penalty + size) / 2

    def gradient(self, weight: Tensor) -> Tensor:
        """As H is at its minimum, only W's own derivative is left."""
        features = self.best_features(weight)
        misfit = features @ weight.T - self.targets
        return misfit.T @ features / (self.samples * self.penalty) + weight

    def descend(self, start: Tensor, steps: int) -> tuple[Tensor, int]:
        """L-BFGS, as far as the rounding of the objective lets its line search see."""
        weight = start.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [weight],
            max_iter=steps,
            max_eval=steps,
            history_size=30,
            tolerance_grad=_LBFGS_GRADIENT,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        used = 0

        def closure() -> float:
            nonlocal used
            used += 1
            with torch.no_grad():
                weight.grad = self.gradient(weight)
                return float(self.value(weight))

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return weight.detach(), used

    def polish(self, weight: Tensor, tolerance: float) -> tuple[Tensor, float]:
        """Newton's method on the gradient, which resolves more than the objective does."""
        gradient = self.gradient(weight)
        for _ in range(_NEWTON_STEPS):
            if float(gradient.abs().max()) <= tolerance:
                break
            values, vectors = self.curvatures(weight)
            # Rotations of W change nothing: no curvature, and no step along them.
            inverse = torch.where(values.abs() > _FLAT * values.abs().max(), 1 / values.abs(), 0.0)
            step = vectors @ (inverse * (vectors.T @ gradient.flatten()))
            weight = weight - step.reshape(weight.shape)
            gradient = self.gradient(weight)
        return weight, float(gradient.abs().max())

    def curvatures(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues of the Hessian, smallest first, and its eigenvectors."""
        hessian = torch.autograd.functional.hessian(self.value, weight, vectorize=True)  # type: ignore[no-untyped-call]
        size = weight.numel()
        values, vectors = torch.linalg.eigh(hessian.reshape(size, size))
        return values, vectors

    def smallest_curvature(self, weight: Tensor) -> tuple[float, Tensor]:
        """Smallest eigenvalue of the Hessian and its direction, of length 1."""
        values, vectors = self.curvatures(weight)
        return float(values[0]), vectors[:, 0].reshape(weight.shape)
