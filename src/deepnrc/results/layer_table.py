"""The table of layers: a row each, undefined values numbered to their reasons."""

import math
from collections.abc import Sequence

from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.support.text import Table, counted, number

__all__ = ["layer_table"]

_COLUMNS = (
    "noise_component",
    "signal_target_cka",
    "linear_cka",
    "feature_weight_alignment",
    "random_alignment",
    "noise_weight_alignment",
    "linear_prediction_mse",
    "stable_rank",
    "weight_stable_rank",
)
_CLASS_COLUMNS = (  # each condition of a classifier beside the one of a regression, [RU26] Table 1
    "within_class_share",
    "noise_component",
    "simplex_distance",
    "signal_target_cka",
    "class_weight_cosine",
    "class_weight_alignment",
    "feature_weight_alignment",
    "random_alignment",
    "nearest_mean_agreement",
    "linear_prediction_mse",
    "class_distance_variance",
)
_LABELS = {
    "random_alignment": "chance",
    **{name: metric.label for name, metric in CATALOGUE.items()},
    **{name: metric.label for name, metric in CLASS_CATALOGUE.items()},
}
_MOST_SHOWN = 6  # values of a list in one line


def layer_table(
    layers: Sequence[LayerMeasurement], *, classify: bool, last_layer: LastLayer | None
) -> Table:
    """The layers' values and, below, reasons, notes and the last layer's conditions of 2024.

    Args:
        layers: In the order of the rows.
        classify: Whether to show neural collapse beside Deep NRC.
        last_layer: [A24]'s quantities, if there are any.
    """
    reasons: dict[str, int] = {}
    columns = [*(_CLASS_COLUMNS if classify else _COLUMNS), *(layers[0].extra if layers else ())]
    rows = tuple(
        (x.name, str(x.width), *(x.cell(column, reasons) for column in columns)) for x in layers
    )
    footnotes = [f"[{count}] {reason}" for reason, count in reasons.items()]
    footnotes += [f"{layer.name}: {note}" for layer in layers for note in layer.notes]
    if any(layer.linear_prediction_mse < layer.linear_prediction_floor for layer in layers):
        footnotes.append("< : below what rounding can resolve; the bound stands in its place")
    if last_layer is not None:
        footnotes.append(_last_layer_line(last_layer))
    headings = ("layer", "width", *(_LABELS.get(column, column) for column in columns))
    return Table(headings, rows, tuple(footnotes))


def _last_layer_line(last: "LastLayer") -> str:
    """[A24]'s quantities; those that were not asked for are passed over."""
    parts = []
    if last.variant is not None:
        rows = "rows less their mean" if last.variant == "centred" else "rows as they are"
        chance = f"chance {number(last.chance_residual)}; " if last.chance_residual > 0 else ""
        left_out = f"; {counted(last.zero_rows, 'row')} without a direction left out"
        parts.append(
            f"NRC1 {_value(last, 'feature_pca_residual')}, "
            f"NRC2 {_value(last, 'feature_weight_residual')} "
            f"({chance}{rows}{left_out if last.zero_rows else ''})"
        )
    gram = f"NRC3 {_value(last, 'gram_residual')}"
    if "gram_residual" not in last.undefined:
        if "gamma_share" not in last.undefined:
            gram += f" at γ/λ_min {number(last.gamma_share)}"
        gram += f", eigenvalues of WWᵀ {_listed(last.gram_eigenvalues)}"
    parts.append(gram)
    if not math.isnan(last.r2) and len(last.target_r2) > 1:
        parts.append(f"R² by target {_listed(last.target_r2)}")
    return f"{last.layer}: last layer, conditions of 2024: {'; '.join(parts)}"


def _value(last: "LastLayer", name: str) -> str:
    reason = last.undefined.get(name)
    return f"– ({reason})" if reason else number(getattr(last, name))


def _listed(values: Sequence[float]) -> str:
    shown = ", ".join(map(number, values[:_MOST_SHOWN]))
    return f"{shown}, …" if len(values) > _MOST_SHOWN else shown
