"""Every metric of a layer with its meaning: the one list that records, tables, files and docs use.

A new metric is a function in the file of its family and a field here.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeVar

from deepnrc.metrics.alignment import linear_cka, signal_target_cka
from deepnrc.metrics.class_readout import (
    class_weight_alignment,
    class_weight_cosine,
    nearest_mean_agreement,
)
from deepnrc.metrics.class_simplex import (
    class_angle_deviation,
    class_norm_variation,
    simplex_distance,
)
from deepnrc.metrics.class_variability import (
    class_distance_variance,
    within_between_ratio,
    within_class_share,
)
from deepnrc.metrics.class_view import ClassView
from deepnrc.metrics.metric import Metric
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

__all__ = [
    "CATALOGUE",
    "CLASS_CATALOGUE",
    "ClassValues",
    "LayerValues",
    "computed",
    "split_undefined",
]

View = TypeVar("View")


def _metric(compute: Callable[[Any], float | Undefined], label: str, **facts: Any) -> Any:
    """A field of the metric's name; NaN where it is undefined or the record is older than it."""
    metric = Metric(compute.__name__, compute, label=label, **facts)
    return field(default=math.nan, metadata={"metric": metric})


@dataclass(frozen=True, kw_only=True)
class LayerValues:
    """The metrics of a layer, in the order in which tables show them; NaN where undefined."""

    noise_component: float = _metric(
        noise_component,
        "NRC1",
        low=0.0,
        high=1.0,
        collapsed="→ 0",
        reading="Share of the features' variance outside as many directions as there are targets.",
        source="[RU26] Table 1",
    )
    signal_target_cka: float = _metric(
        signal_target_cka,
        "NRC2",
        low=0.0,
        high=1.0,
        collapsed="→ 1",
        reading="Whether samples alike in the features' main directions have similar targets.",
        source="[RU26] Table 1",
    )
    linear_cka: float = _metric(
        linear_cka,
        "CKA",
        low=0.0,
        high=1.0,
        collapsed="→ 1",
        reading="The same for the whole features, noise included.",
        source="[K19]",
    )
    feature_weight_alignment: float = _metric(
        feature_weight_alignment,
        "NRC3",
        low=0.0,
        high=1.0,
        collapsed="→ 1",
        reading="Whether the weight reads the directions in which the features live.",
        source="[RU26] Table 1",
    )
    noise_weight_alignment: float = _metric(
        noise_weight_alignment,
        "noise align",
        low=0.0,
        high=1.0,
        collapsed="→ 0",
        reading="How much the weight reads directions that hold only noise.",
        source="[RU26] Figure 3",
    )
    linear_prediction_mse: float = _metric(
        linear_prediction_mse,
        "NRC4",
        low=0.0,
        high=None,
        collapsed="→ the model's MSE",
        reading="Error of the best linear prediction from this layer; compare with the model's.",
        source="[RU26] Table 1",
    )
    linear_r2: float = _metric(
        linear_r2,
        "linear R²",
        low=float("-inf"),
        high=1.0,
        collapsed="→ the model's R²",
        reading="Share of the targets' variance that this linear prediction explains.",
        source="[RU26] Table 1",
    )
    stable_rank: float = _metric(
        stable_rank,
        "stable rank",
        low=1.0,
        high=None,
        collapsed="→ targets'",
        reading="Directions the features use: total variance over the largest.",
        source="‖H_c‖_F²/‖H_c‖_2²",
    )
    covariance_stable_rank: float = _metric(
        covariance_stable_rank,
        "srank Σ_H",
        low=1.0,
        high=None,
        collapsed="→ targets'",
        reading="The same of the covariance, as [RU26]'s figures draw it; smaller, for it squares.",
        source="[RU26] Figure 3",
    )
    entropy_rank: float = _metric(
        entropy_rank,
        "entropy rank",
        low=1.0,
        high=None,
        collapsed="→ targets'",
        reading="Directions the features use, by the entropy of their shares.",
        source="Roy and Vetterli 2007",
    )
    participation_ratio: float = _metric(
        participation_ratio,
        "part. ratio",
        low=1.0,
        high=None,
        collapsed="→ targets'",
        reading="Directions the features use, by how evenly they share the variance.",
        source="(Σλ)²/Σλ²",
    )
    weight_stable_rank: float = _metric(
        weight_stable_rank,
        "srank W",
        low=1.0,
        high=None,
        collapsed="falls",
        reading="Directions the weight uses.",
        source="[RU26] Figure 4",
    )


@dataclass(frozen=True, kw_only=True)
class ClassValues:
    """The further metrics of a classifier's layer; NaN where undefined."""

    within_class_share: float = _metric(
        within_class_share,
        "NC1",
        low=0.0,
        high=1.0,
        collapsed="→ 0",
        reading="Share of the features' variance within classes.",
        source="[RU26] Table 1",
    )
    within_between_ratio: float = _metric(
        within_between_ratio,
        "NC1 pinv",
        low=0.0,
        high=None,
        collapsed="→ 0",
        reading="Variance within classes over variance between them, along each direction between.",
        source="[P20] Figure 6",
    )
    class_distance_variance: float = _metric(
        class_distance_variance,
        "CDNV",
        low=0.0,
        high=None,
        collapsed="→ 0",
        reading="Variance of two classes over the distance of their means, over all pairs.",
        source="[G21] Definition 1",
    )
    simplex_distance: float = _metric(
        simplex_distance,
        "NC2",
        low=0.0,
        high=2.0**0.5,
        collapsed="→ 0",
        reading="How far the class means are from equal lengths and equal angles (a simplex ETF).",
        source="[RU26] Table 1",
    )
    class_norm_variation: float = _metric(
        class_norm_variation,
        "NC2 norms",
        low=0.0,
        high=None,
        collapsed="→ 0",
        reading="How much the class means differ in length.",
        source="[P20] Figure 2",
    )
    class_angle_deviation: float = _metric(
        class_angle_deviation,
        "NC2 angles",
        low=0.0,
        high=2.0,
        collapsed="→ 0",
        reading="How far the angles between class means are from the widest they can all be.",
        source="[P20] Figure 4",
    )
    class_weight_alignment: float = _metric(
        class_weight_alignment,
        "NC3",
        low=0.0,
        high=1.0,
        collapsed="→ 1",
        reading="Whether the weight reads the directions in which class means differ.",
        source="[RU26] Table 1",
    )
    class_weight_cosine: float = _metric(
        class_weight_cosine,
        "NC3 cos",
        low=-1.0,
        high=1.0,
        collapsed="→ 1",
        reading="Whether each class's row of the last weight points to its mean.",
        source="[P20] Figure 5",
    )
    nearest_mean_agreement: float = _metric(
        nearest_mean_agreement,
        "NC4",
        low=0.0,
        high=1.0,
        collapsed="→ 1",
        reading="How often the nearest class mean is what the network decides.",
        source="[RU26] Table 1",
    )


def _listed(record: type[Any]) -> Mapping[str, Metric[Any]]:
    return MappingProxyType({f.name: f.metadata["metric"] for f in fields(record)})


CATALOGUE: Mapping[str, Metric[LayerView]] = _listed(LayerValues)
"""Every metric of a layer by name, in the order in which tables show them."""

CLASS_CATALOGUE: Mapping[str, Metric[ClassView]] = _listed(ClassValues)
"""The metrics of a classifier's layer, which stand beside the others."""


def computed(
    metrics: Iterable[Metric[View]], view: View
) -> tuple[dict[str, float], dict[str, str]]:
    """Value of each metric, NaN where undefined, and the reasons."""
    return split_undefined({metric.name: metric.compute(view) for metric in metrics})


def split_undefined(
    values: Mapping[str, float | Undefined],
) -> tuple[dict[str, float], dict[str, str]]:
    """The values, NaN for each undefined one, and the reasons of these."""
    undefined = {k: v.reason for k, v in values.items() if isinstance(v, Undefined)}
    return {k: math.nan if isinstance(v, Undefined) else v for k, v in values.items()}, undefined
