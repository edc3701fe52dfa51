"""Every metric of a layer with its meaning: the one list that tables, files and docs go by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deepnrc.metrics.alignment import linear_cka, signal_target_cka
from deepnrc.metrics.prediction import linear_prediction_mse, linear_r2
from deepnrc.metrics.spectrum import (
    covariance_stable_rank,
    entropy_rank,
    noise_component,
    participation_ratio,
    stable_rank,
    weight_stable_rank,
)
from deepnrc.metrics.subspace import feature_weight_alignment, noise_weight_alignment
from deepnrc.metrics.view import LayerView, Undefined

__all__ = ["CATALOGUE", "Metric"]


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it.

    Attributes:
        name: Its name in code, tables and files.
        label: Short heading; the paper's number where it has one (Deep NRC's, not 2024's).
        compute: The function of a layer.
        low: Least possible value.
        high: Greatest possible value; None where the width or the data set it.
        collapsed: What the value does under collapse.
        reading: One sentence for a newcomer.
        source: Paper and place.
    """

    name: str
    label: str
    compute: Callable[[LayerView], float | Undefined]
    low: float
    high: float | None
    collapsed: str
    reading: str
    source: str


_METRICS = (
    Metric(
        "noise_component",
        "NRC1",
        noise_component,
        0.0,
        1.0,
        "→ 0",
        "Share of the features' variance outside as many directions as there are targets.",
        "[RU26] Table 1",
    ),
    Metric(
        "signal_target_cka",
        "NRC2",
        signal_target_cka,
        0.0,
        1.0,
        "→ 1",
        "Whether samples that are alike in the features' main directions have like targets.",
        "[RU26] Table 1",
    ),
    Metric(
        "linear_cka",
        "CKA",
        linear_cka,
        0.0,
        1.0,
        "→ 1",
        "The same for the whole features, noise included.",
        "[K19]",
    ),
    Metric(
        "feature_weight_alignment",
        "NRC3",
        feature_weight_alignment,
        0.0,
        1.0,
        "→ 1",
        "Whether the weight reads the directions in which the features live.",
        "[RU26] Table 1",
    ),
    Metric(
        "noise_weight_alignment",
        "noise align",
        noise_weight_alignment,
        0.0,
        1.0,
        "→ 0",
        "How much the weight reads directions that hold only noise.",
        "[RU26] Figure 3",
    ),
    Metric(
        "linear_prediction_mse",
        "NRC4",
        linear_prediction_mse,
        0.0,
        None,
        "→ the model's MSE",
        "Error of the best linear prediction from this layer; compare with the model's own.",
        "[RU26] Table 1",
    ),
    Metric(
        "linear_r2",
        "linear R²",
        linear_r2,
        float("-inf"),
        1.0,
        "→ the model's R²",
        "Share of the targets' variance that this linear prediction explains.",
        "[RU26] Table 1",
    ),
    Metric(
        "stable_rank",
        "stable rank",
        stable_rank,
        1.0,
        None,
        "→ targets'",
        "Directions the features use: total variance over the largest.",
        "‖H_c‖_F²/‖H_c‖_2²",
    ),
    Metric(
        "covariance_stable_rank",
        "srank Σ_H",
        covariance_stable_rank,
        1.0,
        None,
        "→ targets'",
        "The same of the covariance, as [RU26]'s figures draw it; smaller, for it squares.",
        "[RU26] Figure 3",
    ),
    Metric(
        "entropy_rank",
        "entropy rank",
        entropy_rank,
        1.0,
        None,
        "→ targets'",
        "Directions the features use, by the entropy of their shares.",
        "Roy and Vetterli 2007",
    ),
    Metric(
        "participation_ratio",
        "part. ratio",
        participation_ratio,
        1.0,
        None,
        "→ targets'",
        "Directions the features use, by how evenly they share the variance.",
        "(Σλ)²/Σλ²",
    ),
    Metric(
        "weight_stable_rank",
        "srank W",
        weight_stable_rank,
        1.0,
        None,
        "falls",
        "Directions the weight uses.",
        "[RU26] Figure 4",
    ),
)

CATALOGUE: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _METRICS})
"""Every metric by name, in the order tables show them."""
