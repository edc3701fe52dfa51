"""The conditions at another signal dimension: that of targets whose rank is below their number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deepnrc.metrics.catalogue import CATALOGUE, computed
from deepnrc.metrics.spectrum import noise_component_floor
from deepnrc.metrics.subspace import random_alignment
from deepnrc.metrics.view import LayerView
from deepnrc.support.text import Table, number

__all__ = ["SignalValues", "signal_table", "signal_values"]

_NAMES = (
    "noise_component",
    "signal_target_cka",
    "feature_weight_alignment",
    "noise_weight_alignment",
)


@dataclass(frozen=True, kw_only=True)
class SignalValues:
    """What depends on k at one layer; NaN where undefined, with the reason in ``undefined``.

    Attributes:
        signal_rank: k.
        random_alignment: The expected NRC3 of unrelated subspaces of these dimensions.
        noise_component_floor: Rounding bound of the noise component.
        undefined: Reason by name of each undefined value.
    """

    signal_rank: int
    noise_component: float = math.nan
    signal_target_cka: float = math.nan
    feature_weight_alignment: float = math.nan
    noise_weight_alignment: float = math.nan
    random_alignment: float = math.nan
    noise_component_floor: float = math.nan
    undefined: Mapping[str, str] = field(default_factory=dict)


def signal_values(view: LayerView) -> SignalValues:
    """The values at the view's own signal rank."""
    values, undefined = computed([CATALOGUE[name] for name in _NAMES], view)
    aligned = "feature_weight_alignment" not in undefined
    return SignalValues(
        signal_rank=view.signal_dim,
        **values,
        random_alignment=random_alignment(view.width, view.alignment_rank) if aligned else math.nan,
        noise_component_floor=noise_component_floor(view),
        undefined=undefined,
    )


def signal_table(rows: Sequence[tuple[str, SignalValues]]) -> Table:
    """One row a layer: its name and the values."""
    labels = [CATALOGUE[name].label for name in _NAMES]
    names = [*_NAMES[:3], "random_alignment", _NAMES[3]]
    cells = [(name, *(number(getattr(x, column)) for column in names)) for name, x in rows]
    return Table(("layer", *labels[:3], "chance", labels[3]), tuple(cells), ())
