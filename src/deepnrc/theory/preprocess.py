"""Scaling the targets: the training errors that the model predicts, and which scaling to take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.errors import ArgumentError
from deepnrc.linalg.spectra import Spectrum, symmetric_spectrum
from deepnrc.support.text import Table, counted
from deepnrc.theory.arguments import MatrixLike, matrix, penalty
from deepnrc.theory.covariance import covariance_spectrum, rounding, unfitted
from deepnrc.theory.tasks import TaskErrors
from deepnrc.theory.text import short

__all__ = ["PreprocessingError", "PreprocessingErrors", "preprocessing_errors"]

_SAME = 0.01  # errors that differ by less, relatively, are called the same
_MOST_COLUMNS = 6  # one a target; a table with more is too wide


@dataclass(frozen=True)
class PreprocessingError:
    """Training error after one way to transform the targets, in their original units.

    Attributes:
        name: "raw", "standardized", "whitened", or the user's.
        mse: Summed over the targets.
        r2: 1 − mse/Tr Σ; NaN for constant targets.
        rank: Directions of the transformed targets that are learned.
        mse_by_target: The share of each target.
        note: What was done instead where the covariance is singular; else empty.
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
        options: One for each way, raw first.
        best: Name of the recommended one: the first within 1 % of the least error.
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

    def __str__(self) -> str:
        """The errors side by side, and the recommendation."""
        return self.text()

    def text(self, target_names: Sequence[str] = (), tasks: TaskErrors | None = None) -> str:
        """The errors side by side, and the recommendation.

        Args:
            target_names: Headings for the errors by target; with more than six, or none, these
                errors are left out.
            tasks: Adds the error of one network for each target.
        """
        shown = target_names if len(target_names) <= _MOST_COLUMNS else ()
        rows = [
            (
                option.name + ("*" if option.note else ""),
                short(option.mse),
                f"{option.r2:.4f}" if not math.isnan(option.r2) else "–",
                str(option.rank),
                *map(short, option.mse_by_target[: len(shown)]),
            )
            for option in self.options
        ]
        if tasks is not None:
            single = map(short, tasks.single_by_target[: len(shown)])
            rows.append(("one network each", short(tasks.single), "", "", *single))
        notes = [f"* {option.name}: {option.note}" for option in self.options if option.note]
        table = Table(("targets", "error", "R²", "directions", *shown), tuple(rows), tuple(notes))
        heading = f"Training error predicted at c = {short(self.c)}, in the targets' own units"
        return "\n".join([heading, "", str(table), "", self.recommendation])


def preprocessing_errors(
    target_covariance: MatrixLike,
    *,
    c: float,
    transforms: Mapping[str, MatrixLike] | None = None,
    floor: float = 0.0,
) -> PreprocessingErrors:
    """Training error with raw, standardized, whitened or otherwise transformed targets.

    Training on Y Pᵀ leaves V diag(min(c, τ)) Vᵀ of the covariance T = PΣPᵀ = V diag(τ) Vᵀ; mapped
    back to the original units it is P⁻¹(·)P⁻ᵀ. The penalties, and so c, stay the same: often a
    smaller c lowers the error as much as a transform does.

    Args:
        target_covariance: Σ_Y of the raw targets, t × t. Where it is singular, only its range is
            whitened, and standardizing leaves constant targets unchanged.
        c: λ_H λ_W ≥ 0.
        transforms: Further invertible P (t × t) by name; applied to a row y as P y.
        floor: Variance that is only rounding of the targets, which `target_rounding` gives: a
            direction with at most this counts as one without variance.

    Raises:
        ArgumentError: Σ_Y is not a covariance; c or floor is negative; or a P has another shape, is
            singular, or has a name that is taken.

    Example:
        >>> found = preprocessing_errors([[2.0, 0.6], [0.6, 1.0]], c=0.96)
        >>> round(found["whitened"].mse, 6), round(found["standardized"].mse, 6)
        (2.88, 2.303604)
        >>> found.best
        'raw'

    References:
        [A25] section 5.
    """
    c = penalty(c, "c")
    covariance, spectrum = covariance_spectrum(target_covariance)
    zero = max(penalty(floor, "floor", finite=True), rounding(spectrum.values))
    options = [
        _option("raw", covariance, c, torch.eye(len(covariance), dtype=torch.float64)),
        _standardized(covariance, zero, c),
        _whitened(covariance, spectrum, zero, c),
    ]
    for name, given in (transforms or {}).items():
        if name in [option.name for option in options]:
            raise ArgumentError(f"transforms holds {name!r}, a name that is taken: choose another")
        options.append(_option(name, covariance, c, _invertible(given, name, len(covariance))))
    least = min(option.mse for option in options)
    best = next(option for option in options if option.mse * (1 - _SAME) <= least)
    text = _recommendation(options, best, covariance, c)
    return PreprocessingErrors(c, tuple(options), best.name, text)


def _standardized(covariance: Tensor, zero: float, c: float) -> PreprocessingError:
    deviations = covariance.diagonal().clamp(min=0).sqrt()
    constant = deviations <= math.sqrt(zero)
    note = f"{counted(int(constant.sum()), 'constant target')} left unchanged"
    scale = torch.where(constant, 1.0, 1 / deviations)
    return _option("standardized", covariance, c, torch.diag(scale), note if constant.any() else "")


def _whitened(covariance: Tensor, spectrum: Spectrum, zero: float, c: float) -> PreprocessingError:
    """By the eigenvalues themselves: PΣPᵀ in numbers has rounding errors of 1/zero, below 0 too."""
    flat = spectrum.values <= zero
    note = f"on the {counted(int((~flat).sum()), 'direction')} with variance"
    values = torch.where(flat, spectrum.values, 1.0)
    left = torch.where(flat, values.clamp(max=c), min(c, 1.0) * spectrum.values)
    by_target = (spectrum.vectors.square() * left).sum(dim=1)
    return _error("whitened", covariance, by_target, values, c, note if flat.any() else "")


def _option(
    name: str, covariance: Tensor, c: float, transform: Tensor, note: str = ""
) -> PreprocessingError:
    transformed = transform @ covariance @ transform.T
    # PΣPᵀ is a covariance: an eigenvalue below 0 is rounding, which counts as 0.
    spectrum = symmetric_spectrum((transformed + transformed.T) / 2)
    back = torch.linalg.inv(transform)
    by_target = (back @ unfitted(spectrum, c) @ back.T).diagonal()
    return _error(name, covariance, by_target, spectrum.values, c, note)


def _error(
    name: str, covariance: Tensor, by_target: Tensor, transformed: Tensor, c: float, note: str
) -> PreprocessingError:
    """From the error of each target and the eigenvalues of the transformed targets."""
    total, mse = float(covariance.diagonal().sum()), float(by_target.sum())
    r2 = 1 - mse / total if total > 0 else math.nan
    rank = int((transformed > c + rounding(transformed)).sum())
    return PreprocessingError(name, mse, r2, rank, tuple(by_target.tolist()), note)


def _invertible(given: MatrixLike, name: str, t: int) -> Tensor:
    transform = matrix(given, f"transforms[{name!r}]", rows=t, columns=t)
    if int(torch.linalg.matrix_rank(transform)) < t:
        raise ArgumentError(
            f"transforms[{name!r}] must be invertible, as predictions are mapped back by its "
            "inverse; got a singular matrix"
        )
    return transform


def _recommendation(
    options: Sequence[PreprocessingError], best: PreprocessingError, covariance: Tensor, c: float
) -> str:
    total, t = float(covariance.diagonal().sum()), len(covariance)
    if total <= 0:
        return "The targets are constant: there is nothing to learn, whatever the scaling."
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
            "At a c this small, standardizing and whitening help only when the mean variance is "
            f"below 1; {mean:.4g} {side} 1."
        )
    learned = ", ".join(f"{option.rank} {option.name}" for option in options)
    return text + f"Directions learned, of {t}: {learned}."
