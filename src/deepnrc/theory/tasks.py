"""One network for all targets or one for each: the training errors that the model predicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deepnrc.errors import ArgumentError
from deepnrc.theory.arguments import MatrixLike, penalty
from deepnrc.theory.covariance import covariance_spectrum, unfitted

__all__ = ["TaskErrors", "task_errors"]


@dataclass(frozen=True)
class TaskErrors:
    """Training errors of one network for all targets against one network for each.

    Attributes:
        c: λ_H λ_W of the network for all targets.
        single_c: c_k of each single network.
        multi: Error of the one network, summed over targets: Σ min(c, s_i).
        single: Errors of the single networks, summed: Σ min(c_k, Σ_kk).
        multi_by_target: The share of each target in ``multi``.
        single_by_target: The error of each single network.
    """

    c: float
    single_c: tuple[float, ...]
    multi: float
    single: float
    multi_by_target: tuple[float, ...]
    single_by_target: tuple[float, ...]


def task_errors(
    target_covariance: MatrixLike, *, c: float, single_c: float | Sequence[float] | None = None
) -> TaskErrors:
    """Whether one network for all targets fits the training data better than one for each.

    Multi-task is never worse when every c_k ≥ c, and better as soon as the targets are correlated
    and c is above s_t.

    Args:
        target_covariance: Σ_Y, t × t.
        c: λ_H λ_W ≥ 0 of the network for all targets, in the theory's convention.
        single_c: c_k of the single networks, one number or t of them; default c.

    Raises:
        ArgumentError: Σ_Y is not a covariance, a c is negative, or their number is not t.

    Example:
        >>> found = task_errors([[2.0, 0.6], [0.6, 1.0]], c=0.96)
        >>> round(found.multi, 9), round(found.single, 9)
        (1.678975032, 1.92)

    References:
        [A25] section 4.
    """
    c = penalty(c, "c")
    covariance, spectrum = covariance_spectrum(target_covariance)
    t = len(covariance)
    if single_c is None:
        single_c = c
    several = list(single_c) if isinstance(single_c, Sequence) else [single_c] * t
    if len(several) != t:
        raise ArgumentError(f"single_c must be one number or {t}; got {len(several)}")
    levels = [penalty(value, f"single_c[{i}]") for i, value in enumerate(several)]
    left = unfitted(spectrum, c)
    single = [min(level, float(covariance[i, i])) for i, level in enumerate(levels)]
    return TaskErrors(
        c=c,
        single_c=tuple(levels),
        multi=float(left.diagonal().sum()),
        single=math.fsum(single),
        multi_by_target=tuple(left.diagonal().tolist()),
        single_by_target=tuple(single),
    )
