"""Describe the targets of a set: spectrum, correlations and ranges."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepnrc.data.dataset import check_matrix
from deepnrc.data.source import RawData, Truth

__all__ = ["DataFacts", "data_facts"]


@dataclass(frozen=True)
class DataFacts:
    """Statistics over all rows of a set, in the targets' own units.

    Attributes:
        rows: N.
        input_shape: ``(d,)``, or ``(channels, height, width)`` of images.
        input_names: One per column; ``("image",)`` for images.
        target_names: One per target.
        means: Of each target.
        deviations: Standard deviation of each target, divisor N.
        ranges: Smallest and largest value of each target.
        spectrum: Eigenvalues of Σ_Y = Y_cᵀY_c / N, descending.
        standardized_spectrum: The same with every target scaled to deviation 1, which is the
            spectrum of the correlations. A constant target counts as 0.
        correlations: t × t; NaN where a target is constant.
        provenance: As the reader or builder gave it.
        truth: Of synthetic sets.
    """

    rows: int
    input_shape: tuple[int, ...]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    ranges: tuple[tuple[float, float], ...]
    spectrum: tuple[float, ...]
    standardized_spectrum: tuple[float, ...]
    correlations: tuple[tuple[float, ...], ...]
    provenance: dict[str, object]
    truth: Truth | None


def data_facts(raw: RawData) -> DataFacts:
    """Compute the statistics of a set's targets; images are not read.

    Raises:
        ArgumentError: The targets are not a floating-point matrix.
        NonFiniteError: They hold NaN or infinity.
    """
    check_matrix("targets", raw.targets)
    values = raw.targets.double()
    constant = (values == values[0]).all(dim=0)
    means = torch.where(constant, values[0], values.mean(dim=0))
    centered = values - means
    deviations = centered.square().mean(dim=0).sqrt()
    unit = centered / torch.where(constant, 1.0, deviations)
    correlations = _covariance(unit)
    shown = correlations.clone()
    shown[constant], shown[:, constant] = torch.nan, torch.nan
    return DataFacts(
        rows=len(values),
        input_shape=tuple(raw.inputs.shape[1:]),
        input_names=raw.input_names,
        target_names=raw.target_names,
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        ranges=tuple(
            (float(low), float(high))
            for low, high in zip(values.amin(dim=0), values.amax(dim=0), strict=True)
        ),
        spectrum=_spectrum(_covariance(centered)),
        standardized_spectrum=_spectrum(correlations),
        correlations=tuple(tuple(row) for row in shown.tolist()),
        provenance=raw.provenance,
        truth=raw.truth,
    )


def _covariance(centered: Tensor) -> Tensor:
    return centered.T @ centered / len(centered)


def _spectrum(covariance: Tensor) -> tuple[float, ...]:
    # Rounding leaves eigenvalues that are 0 at about ±1e-16 of the largest.
    return tuple(torch.linalg.eigvalsh(covariance).clamp(min=0.0).flip(0).tolist())
