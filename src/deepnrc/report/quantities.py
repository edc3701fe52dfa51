"""The quantities that figures show by layer, each with the axis it is drawn on."""

from dataclasses import dataclass

__all__ = ["ALIGNMENT", "CKA", "CONDITIONS", "ERROR", "NOISE", "WEIGHT_RANK", "Quantity"]


@dataclass(frozen=True)
class Quantity:
    """A number of each layer.

    Attributes:
        metric: Its name in a layer's measurement.
        label: The text on the y axis.
        scale: The scale of the y axis: ``"log"``, ``"linear"``, or ``"unit"`` from 0 to 1.
    """

    metric: str
    label: str
    scale: str


NOISE = Quantity("noise_component", "NRC1\nnoise component", "log")
CKA = Quantity("signal_target_cka", "NRC2\nCKA with targets", "unit")
ALIGNMENT = Quantity("feature_weight_alignment", "NRC3\nfeature–weight alignment", "unit")
ERROR = Quantity("linear_prediction_mse", "NRC4\nlinear prediction MSE", "log")
WEIGHT_RANK = Quantity("weight_stable_rank", "stable rank\nof the weight", "linear")
CONDITIONS = (NOISE, CKA, ALIGNMENT, ERROR)
