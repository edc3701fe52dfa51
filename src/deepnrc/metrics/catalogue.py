"""Every metric of a layer with its meaning: the one list that tables, files and docs go by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from deepnrc.metrics.alignment import linear_cka, signal_target_cka
from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.classification import (
    class_angle_deviation,
    class_distance_variance,
    class_norm_variation,
    class_weight_alignment,
    class_weight_cosine,
    nearest_mean_agreement,
    simplex_distance,
    within_between_ratio,
    within_class_share,
)
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

__all__ = ["CATALOGUE", "CLASS_CATALOGUE", "Metric"]

View = TypeVar("View")


@dataclass(frozen=True)
class Metric(Generic[View]):
    """A metric and how to read it.

    Attributes:
        name: Its name in code, tables and files.
        label: Short heading; the paper's number where it has one (Deep NRC's, not 2024's).
        compute: The function of a layer, seen as a `LayerView` or a `ClassView`.
        low: Least possible value.
        high: Greatest possible value; None where the width or the data set it.
        collapsed: What the value does under collapse.
        reading: One sentence for a newcomer.
        source: Paper and place.
    """

    name: str
    label: str
    compute: Callable[[View], float | Undefined]
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

_CLASS_METRICS = (
    Metric(
        "within_class_share",
        "NC1",
        within_class_share,
        0.0,
        1.0,
        "→ 0",
        "Share of the features' variance within classes.",
        "[RU26] Table 1",
    ),
    Metric(
        "within_between_ratio",
        "NC1 pinv",
        within_between_ratio,
        0.0,
        None,
        "→ 0",
        "Variance within classes over variance between them, along each direction between.",
        "[P20] Figure 6",
    ),
    Metric(
        "class_distance_variance",
        "CDNV",
        class_distance_variance,
        0.0,
        None,
        "→ 0",
        "Variance of two classes over the distance of their means, over all pairs.",
        "[G21] Definition 1",
    ),
    Metric(
        "simplex_distance",
        "NC2",
        simplex_distance,
        0.0,
        2.0**0.5,
        "→ 0",
        "How far the class means are from equal lengths and equal angles (a simplex ETF).",
        "[RU26] Table 1",
    ),
    Metric(
        "class_norm_variation",
        "NC2 norms",
        class_norm_variation,
        0.0,
        None,
        "→ 0",
        "How much the class means differ in length.",
        "[P20] Figure 2",
    ),
    Metric(
        "class_angle_deviation",
        "NC2 angles",
        class_angle_deviation,
        0.0,
        2.0,
        "→ 0",
        "How far the angles between class means are from the widest they can all be.",
        "[P20] Figure 4",
    ),
    Metric(
        "class_weight_alignment",
        "NC3",
        class_weight_alignment,
        0.0,
        1.0,
        "→ 1",
        "Whether the weight reads the directions in which class means differ.",
        "[RU26] Table 1",
    ),
    Metric(
        "class_weight_cosine",
        "NC3 cos",
        class_weight_cosine,
        -1.0,
        1.0,
        "→ 1",
        "Whether each class's row of the last weight points to its mean.",
        "[P20] Figure 5",
    ),
    Metric(
        "nearest_mean_agreement",
        "NC4",
        nearest_mean_agreement,
        0.0,
        1.0,
        "→ 1",
        "How often the nearest class mean is what the network decides.",
        "[RU26] Table 1",
    ),
)

CATALOGUE: Mapping[str, Metric[LayerView]] = MappingProxyType({x.name: x for x in _METRICS})
"""Every metric of a layer by name, in the order tables show them."""

CLASS_CATALOGUE: Mapping[str, Metric[ClassView]] = MappingProxyType(
    {x.name: x for x in _CLASS_METRICS}
)
"""The metrics of a classifier's layer, which stand beside the others."""
