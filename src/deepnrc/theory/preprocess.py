"""What the model says of one network or one for each target, and of scaling the targets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.theory.covariance import (
    MatrixLike,
    covariance_spectrum,
    covariance_tolerance,
    matrix,
    penalty,
    square_matrix,
)

__all__ = [
    "PreprocessingError",
    "PreprocessingErrors",
    "TaskErrors",
    "preprocessing_errors",
    "task_errors",
]

_SAME = 0.01  # errors that differ by less, relatively, are called the same


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


@dataclass(frozen=True)
class PreprocessingError:
    """Training error after one way to transform the targets, in their original units.

    Attributes:
        name: "raw", "standardized", "whitened", or the user's.
        mse: Summed over the targets.
        r2: 1 − mse/Tr Σ; NaN for constant targets.
        rank: Directions of the transformed targets that are learnt at all.
        mse_by_target: The share of each target.
        note: What was done where the covariance does not allow the transform; else empty.
    """

    name: str
    mse: float
    r2: float
    rank: int
    mse_by_target: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True)
class PreprocessingErrors:
    """The ways to transform targets side by side, and which to take.

    Attributes:
        c: λ_H λ_W, the same for all.
        options: One by way, raw first.
        best: Name of the recommended one: the first that is within 1 % of the least error.
        recommendation: Sentences that quote the numbers they rest on.
    """

    c: float
    options: tuple[PreprocessingError, ...]
    best: str
    recommendation: str

    def __getitem__(self, name: str) -> PreprocessingError:
        """The option of this name."""
        for option in self.options:
            if option.name == name:
                return option
        known = ", ".join(option.name for option in self.options)
        raise KeyError(f"no preprocessing named {name!r}; there are {known}")


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
        ArgumentError: Not a covariance, a negative c, or another number than t of them.

    Example:
        >>> found = task_errors([[2.0, 0.6], [0.6, 1.0]], c=0.96)
        >>> round(found.multi, 9), round(found.single, 9)
        (1.678975032, 1.92)

    References:
        [A25] section 4.
    """
    covariance = square_matrix(target_covariance, "target_covariance")
    t = len(covariance)
    c = penalty(c, "c")
    if single_c is None:
        single_c = c
    several = list(single_c) if isinstance(single_c, Sequence) else [single_c] * t
    if len(several) != t:
        raise ArgumentError(f"single_c must be one number or {t}, got {len(several)}")
    levels = [penalty(value, f"single_c[{i}]") for i, value in enumerate(several)]
    _, _, left = _residual(covariance, c)
    single = [min(level, float(covariance[i, i])) for i, level in enumerate(levels)]
    return TaskErrors(
        c=c,
        single_c=tuple(levels),
        multi=float(left.diagonal().sum()),
        single=math.fsum(single),
        multi_by_target=tuple(left.diagonal().tolist()),
        single_by_target=tuple(single),
    )


def preprocessing_errors(
    target_covariance: MatrixLike,
    *,
    c: float,
    transforms: Mapping[str, MatrixLike] | None = None,
) -> PreprocessingErrors:
    """Training error with raw, standardized, whitened or otherwise transformed targets.

    Training on Y Pᵀ leaves V diag(min(c, τ)) Vᵀ of the covariance T = PΣPᵀ = V diag(τ) Vᵀ; mapped
    back to the original units it is P⁻¹(·)P⁻ᵀ. The penalties, and so c, stay the same: a
    transform that lowers the error here can often be had by a smaller c as well.

    Args:
        target_covariance: Σ_Y of the raw targets, t × t. Where it is singular, whitening is done
            on its range and constant targets are left as they are when standardizing.
        c: λ_H λ_W ≥ 0.
        transforms: Further invertible P (t × t) by name; applied to a row y as P y.

    Raises:
        ArgumentError: Not a covariance; a negative c; a P of another shape, singular, or of a
            name that is taken.

    Example:
        >>> found = preprocessing_errors([[2.0, 0.6], [0.6, 1.0]], c=0.96)
        >>> round(found["whitened"].mse, 6), round(found["standardized"].mse, 6)
        (2.88, 2.303604)
        >>> found.best
        'raw'

    References:
        [A25] section 5.
    """
    covariance = square_matrix(target_covariance, "target_covariance")
    c = penalty(c, "c")
    spectrum = covariance_spectrum(covariance, "target_covariance")
    options = [_option("raw", covariance, c, torch.eye(len(covariance), dtype=torch.float64))]
    deviations = covariance.diagonal().clamp(min=0).sqrt()
    constant = deviations <= math.sqrt(covariance_tolerance(spectrum.values))
    note = f"{int(constant.sum())} constant target(s) left as they are" if constant.any() else ""
    scale = torch.where(constant, 1.0, 1 / deviations)
    options.append(_option("standardized", covariance, c, torch.diag(scale), note))
    flat = spectrum.values <= covariance_tolerance(spectrum.values)
    note = f"on the {int((~flat).sum())} directions with variance" if flat.any() else ""
    scale = torch.where(flat, 1.0, 1 / spectrum.values.sqrt())
    whitening = (spectrum.vectors * scale) @ spectrum.vectors.T
    options.append(_option("whitened", covariance, c, whitening, note))
    for name, given in (transforms or {}).items():
        if name in [option.name for option in options]:
            raise ArgumentError(f"transforms holds {name!r}, a name that is taken; choose another")
        options.append(_option(name, covariance, c, _invertible(given, name, len(covariance))))
    least = min(option.mse for option in options)
    best = next(option for option in options if option.mse * (1 - _SAME) <= least)
    text = _recommendation(options, best, covariance, c)
    return PreprocessingErrors(c, tuple(options), best.name, text)


def _residual(covariance: Tensor, c: float) -> tuple[int, float, Tensor]:
    """Rank learnt, Σ min(c, s), and U diag(min(c, s)) Uᵀ."""
    spectrum = covariance_spectrum(covariance, "target_covariance")
    left = spectrum.values.clamp(max=c)
    rank = int((spectrum.values > c + covariance_tolerance(spectrum.values)).sum())
    return rank, float(left.sum()), (spectrum.vectors * left) @ spectrum.vectors.T


def _option(
    name: str, covariance: Tensor, c: float, transform: Tensor, note: str = ""
) -> PreprocessingError:
    transformed = transform @ covariance @ transform.T
    rank, _, left = _residual((transformed + transformed.T) / 2, c)
    back = torch.linalg.inv(transform)
    by_target = (back @ left @ back.T).diagonal()
    total, mse = float(covariance.diagonal().sum()), float(by_target.sum())
    r2 = 1 - mse / total if total > 0 else math.nan
    return PreprocessingError(name, mse, r2, rank, tuple(by_target.tolist()), note)


def _invertible(given: MatrixLike, name: str, t: int) -> Tensor:
    transform = matrix(given, f"transforms[{name!r}]")
    if transform.shape != (t, t):
        raise ArgumentError(f"transforms[{name!r}] must be {t} × {t}, got {tuple(transform.shape)}")
    if int(torch.linalg.matrix_rank(transform)) < t:
        raise ArgumentError(
            f"transforms[{name!r}] must be invertible, or predictions cannot be mapped back; it is "
            "singular"
        )
    return transform


def _recommendation(
    options: Sequence[PreprocessingError], best: PreprocessingError, covariance: Tensor, c: float
) -> str:
    total, t = float(covariance.diagonal().sum()), len(covariance)
    if total <= 0:
        return "The targets are constant: nothing is to be learnt, whatever is done to them."
    errors = ", ".join(f"{option.mse:.4g} {option.name}" for option in options)
    text = f"At c = {c:.4g}, of a total variance of {total:.4g}, training leaves {errors}. "
    if c == 0:
        return text + "Without regularization every choice fits: keep the targets raw."
    others = min(option.mse for option in options if option is not best)
    if best.name != "raw":
        gain = 1 - best.mse / options[0].mse
        text += f"Train on {best.name} targets: {gain:.0%} less error than on raw ones. "
    elif others * (1 - _SAME) <= best.mse:
        text += "Keep the targets raw: nothing else is better by 1 %. "
    else:
        text += f"Keep the targets raw: the next best leaves {others / best.mse - 1:.0%} more. "
    if all(option.rank == t for option in options[:3]):
        mean = total / t
        side = "is below" if mean < 1 else "is not below"
        return text + (
            "At a c this small, standardizing and whitening help just when the mean variance is "
            f"below 1; {mean:.4g} {side} 1."
        )
    learnt = ", ".join(f"{option.rank} {option.name}" for option in options)
    return text + f"Directions learnt, of {t}: {learnt}."
