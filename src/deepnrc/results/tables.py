"""Records as text: tables that read the same in a terminal, a pipe and a golden file."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE
from deepnrc.support.text import Table, counted, number

if TYPE_CHECKING:
    from deepnrc.metrics.last_layer import LastLayer
    from deepnrc.results.diagnosis import BoundCheck, Diagnosis
    from deepnrc.results.measurement import LayerMeasurement, Measurement

__all__ = [
    "diagnosis_text",
    "measurement_summary",
    "measurement_table",
    "measurement_text",
]

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


def measurement_text(measurement: "Measurement") -> Table:
    """The table of a measurement: one row a layer, undefined values numbered to their reasons."""
    reasons: dict[str, int] = {}
    rows = []
    columns = _CLASS_COLUMNS if measurement.task == "classification" else _COLUMNS
    for layer in measurement.layers:
        cells = [layer.name, str(layer.width)]
        for column in columns:
            cells.append(_cell(layer, column, reasons))
        rows.append(tuple(cells))
    footnotes = [f"[{count}] {reason}" for reason, count in reasons.items()]
    footnotes += [f"{layer.name}: {note}" for layer in measurement.layers for note in layer.notes]
    if any(layer.linear_prediction_mse < layer.linear_prediction_floor for layer in measurement):
        footnotes.append("< : below what rounding can resolve; the bound stands in its place")
    if measurement.last_layer is not None:
        footnotes.append(_last_layer_line(measurement.last_layer))
    headings = ("layer", "width", *(_LABELS[column] for column in columns))
    return Table(headings, tuple(rows), tuple(footnotes))


def measurement_summary(measurement: "Measurement") -> str:
    """What was measured, in one or two lines above the table."""
    m = measurement
    classify = m.task == "classification"
    targets = f"{m.target_dim} classes" if classify else counted(m.target_dim, "target dimension")
    text = (
        f"{m.model}: {counted(m.samples, 'sample')} in {counted(m.batches, 'batch', 'batches')}, "
        f"{targets}, signal rank {m.signal_rank}"
    )
    if classify and m.signal_rank == m.target_dim - 1:
        text += " (classes − 1)"
    if not m.center:
        text += ", uncentred"
    if not m.intercept:
        text += ", no intercept in NRC4"
    if m.accuracy is not None:
        reason = m.undefined.get("accuracy")
        said = f"undefined: {reason}" if reason else number(m.accuracy)
        return f"{text}\nmodel's own accuracy {said}"
    if "model_mse" in m.undefined:
        return f"{text}\nmodel's own MSE undefined: {m.undefined['model_mse']}"
    text += f"\nmodel's own MSE {number(m.model_mse)}, R² {number(m.model_r2)}"
    if m.model_r2 <= 0.0:
        text += " (no better than the targets' mean: NRC4 below says little)"
    return text


def measurement_table(measurement: "Measurement") -> str:
    """Summary and table, as ``print(measurement)`` shows them."""
    parts = [measurement_summary(measurement), str(measurement_text(measurement))]
    parts += [f"not measured: {x.name}: {x.reason}" for x in measurement.skipped]
    return "\n".join(parts)


def diagnosis_text(diagnosis: "Diagnosis") -> str:
    """The diagnosis in words a newcomer understands, with thresholds and evidence."""
    d = diagnosis
    lines = [d.headline, ""]
    names = (condition.name.upper() for condition in d.verdicts[0].conditions)
    heading = ("layer", *names, "collapsed")
    rows = [
        (
            verdict.layer,
            *(_mark(condition.satisfied) for condition in verdict.conditions),
            "yes" if verdict.collapsed else "no",
        )
        for verdict in d.verdicts
    ]
    lines.append(str(Table(heading, tuple(rows), ())))
    for verdict in d.verdicts:
        failed = [c.explanation for c in verdict.conditions if c.satisfied is not True]
        if failed:
            lines.append(f"{verdict.layer}: {'; '.join(failed)}")
    lines += ["", f"Thresholds: {d.thresholds.describe()}"]
    lines += ["", *d.intrinsic.describe()]
    lines += ["", "Proposition 1 (residual ≤ √NRC1 + √(1 − NRC2)):"]
    lines += [f"  {_bound_line(check)}" for check in d.bounds]
    return "\n".join(lines)


def _cell(layer: "LayerMeasurement", column: str, reasons: dict[str, int]) -> str:
    record = layer.collapse if column in CLASS_CATALOGUE else layer
    assert record is not None
    value = getattr(record, column)
    reason = record.undefined.get(column)
    if column == "random_alignment" and math.isnan(value):
        reason = layer.undefined.get("feature_weight_alignment")
    if reason is not None:
        return f"–[{reasons.setdefault(reason, len(reasons) + 1)}]"
    if column == "linear_prediction_mse" and value < layer.linear_prediction_floor:
        return f"<{number(layer.linear_prediction_floor)}"
    if column == "noise_component" and value < layer.noise_component_floor:
        return f"<{number(layer.noise_component_floor)}"
    return number(value)


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


def _bound_line(check: "BoundCheck") -> str:
    if check.holds is None:
        return f"{check.layer}: undefined, as its NRC1 or NRC2 is"
    relation, verdict = ("≤", "holds") if check.holds else (">", "does not hold")
    left, right = number(check.residual), number(check.bound)
    if left == right:  # show what the verdict rests on
        left, right = f"{check.residual:.6g}", f"{check.bound:.6g}"
    return f"{check.layer}: {left} {relation} {right}, {verdict}"


def _mark(satisfied: bool | None) -> str:
    return {True: "yes", False: "no", None: "–"}[satisfied]
