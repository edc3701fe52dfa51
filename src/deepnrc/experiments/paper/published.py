"""The curves that [RU26] published, read from its vector figures."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from deepnrc.report.panels import Curve

__all__ = ["Published", "published", "with_published"]

_KEYS = {
    "noise_component": "nrc1",
    "signal_target_cka": "nrc2",
    "feature_weight_alignment": "nrc3",
    "linear_prediction_mse": "nrc4",
    "covariance_stable_rank": "srank_h",
    "top_alignment": "nrc3_signal",
    "noise_weight_alignment": "nrc3_noise",
}


@dataclass(frozen=True)
class Published:
    """One published curve.

    Attributes:
        layers: Layer names, in order.
        values: One per layer.
        first_collapsed_layer: The paper's green line.
        reference: The paper's dashed red line: the network's own MSE, or the targets' stable rank;
            None where it has none.
    """

    layers: tuple[str, ...]
    values: tuple[float, ...]
    first_collapsed_layer: str
    reference: float | None


@cache
def _curves() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("published_curves.json").read_text("utf-8")
    curves: dict[str, Any] = json.loads(text)
    return curves


def published(paper: str, quantity: str) -> Published | None:
    """The curve of a data set and metric, or None where the paper's figures show none.

    Args:
        paper: The name of the data set in the paper.
        quantity: The name of the metric; ``"top_alignment"`` is NRC3 in the figure that also shows
            the alignment of the noise.
    """
    key = _KEYS.get(quantity)
    for name, curve in _curves().items():
        if name.startswith("_") or key is None or curve["dataset"] != paper:
            continue
        if name.endswith(f"{paper}_{key}"):
            return Published(
                tuple(curve["x"]),
                tuple(curve["y"]),
                curve["first_collapsed_layer"],
                curve["reference_line"],
            )
    return None


def with_published(curves: tuple[Curve, ...], paper: str, quantity: str) -> tuple[Curve, ...]:
    """A panel's curves, followed by the published one if there is one for these layers."""
    known = published(paper, quantity)
    if known is None or not set(known.layers) & set(map(str, curves[0].x)):
        return curves
    theirs = Curve("published", known.layers, {0: known.values}, "published", curves[0].label)
    return (*curves, theirs)
