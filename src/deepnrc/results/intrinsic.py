"""How many target dimensions the network sees, with the evidence for it."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from deepnrc.linalg.energy import energy_rank
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.measurement import Measurement
from deepnrc.support.text import number

__all__ = ["IntrinsicDimension", "intrinsic_dimension"]


@dataclass(frozen=True)
class IntrinsicDimension:
    """How many target dimensions the network sees, with the evidence for it.

    Attributes:
        value: Smallest r whose top-r subspace holds the stated share of the feature energy, in
            the last collapsed layer; None when no layer is collapsed.
        energy: That share.
        by_layer: The same at every layer; None where the features are constant or unseen.
        gap: r after which the last collapsed layer's eigenvalues λ_1 … λ_{t+1} fall most; None as
            ``value``.
        feature_stable_rank: Of that layer; NaN as ``value``.
        target_value: The same measure of the targets themselves; None for constant targets.
        target_stable_rank: Of the targets; NaN for constant ones.
        disagreements: Where the evidence differs, in words; empty when all agrees.
    """

    value: int | None
    energy: float
    by_layer: tuple[tuple[str, int | None], ...]
    gap: int | None
    feature_stable_rank: float
    target_value: int | None
    target_stable_rank: float
    disagreements: tuple[str, ...]

    def describe(self) -> list[str]:
        """The dimension and its evidence in lines of text."""
        listing = ", ".join(f"{name} {'–' if r is None else r}" for name, r in self.by_layer)
        targets = "undefined" if self.target_value is None else str(self.target_value)
        found = "none: no layer is collapsed" if self.value is None else str(self.value)
        lines = [
            f"Intrinsic dimension: {found}",
            f"  directions that hold {self.energy:.0%} of the feature energy: {listing}",
            f"  the same of the targets: {targets}; stable rank of the targets "
            f"{number(self.target_stable_rank)}",
        ]
        if self.value is not None:
            lines.append(
                f"  in the last collapsed layer: largest fall of the spectrum after {self.gap}, "
                f"stable rank {number(self.feature_stable_rank)}"
            )
        return lines + [f"  these disagree: {text}" for text in self.disagreements]


def intrinsic_dimension(
    measurement: Measurement, collapsed: Sequence[LayerMeasurement], energy: float
) -> IntrinsicDimension:
    """The dimension with its evidence.

    Args:
        measurement: Of all layers.
        collapsed: The collapsed ones among them.
        energy: Share of the feature energy that the dimension's directions must hold.
    """
    by_layer = tuple((x.name, energy_rank(x.eigenvalues, energy)) for x in measurement.layers)
    targets = measurement.target_eigenvalues
    target_value = energy_rank(targets, energy)
    target_rank = sum(targets) / targets[0] if target_value is not None else math.nan
    if not collapsed:
        return IntrinsicDimension(
            None, energy, by_layer, None, math.nan, target_value, target_rank, ()
        )
    last = collapsed[-1]
    value = dict(by_layer)[last.name]
    gap = _largest_gap(last.eigenvalues[: measurement.target_dim + 1])
    disagreements = []
    differing = [
        f"{x.name} {dict(by_layer)[x.name]}" for x in collapsed if dict(by_layer)[x.name] != value
    ]
    if differing:
        disagreements.append(f"other collapsed layers give {', '.join(differing)}")
    if gap != value:
        disagreements.append(f"the spectrum falls most after {gap}")
    if target_value != value:
        disagreements.append(f"the targets themselves give {target_value}")
    return IntrinsicDimension(
        value,
        energy,
        by_layer,
        gap,
        last.stable_rank,
        target_value,
        target_rank,
        tuple(disagreements),
    )


def _largest_gap(eigenvalues: tuple[float, ...]) -> int | None:
    """The r with the largest λ_r/λ_{r+1}; values at rounding of the largest count as 0."""
    floor = 1e-14 * eigenvalues[0]
    best, best_ratio = None, 0.0
    for r, (value, after) in enumerate(itertools.pairwise(eigenvalues), start=1):
        if value <= floor:
            break
        ratio = value / max(after, floor)
        if ratio > best_ratio:
            best, best_ratio = r, ratio
    return best if best is not None else 1
