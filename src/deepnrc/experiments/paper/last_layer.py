"""The last layer's record of the runs that reproduce [A24], read and put into words."""

from collections.abc import Callable, Sequence

from deepnrc.errors import DataError
from deepnrc.experiments.paper.runs import GroupRuns
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.report.panels import median
from deepnrc.results.measurement import Measurement
from deepnrc.support.text import number

__all__ = ["by_variant", "field_of", "final_sentence", "last_record", "number_list"]

_DECAY = 0.001  # weight decay of the runs that are shown on their own


def by_variant(chosen: Sequence[GroupRuns]) -> dict[str, GroupRuns]:
    """The runs of the one group by data set, under the weight decay that is shown on its own."""
    [runs] = chosen
    return runs.where(weight_decay=_DECAY).by("variant")


def last_record(measurement: Measurement) -> LastLayer:
    """The last layer's record.

    Raises:
        DataError: There is none; the message says why.
    """
    if measurement.last_layer is None:
        raise DataError(f"no last layer: {measurement.undefined['last_layer']}")
    return measurement.last_layer


def field_of(name: str) -> Callable[[Measurement], float]:
    """A function that reads a field of the last layer's record."""
    return lambda measurement: getattr(last_record(measurement), name)


def final_sentence(runs: GroupRuns, what: str) -> str:
    """The three conditions at the end of training, medians of the runs."""
    lasts = [last_record(run.measurement) for run in runs]
    if not lasts:
        return f"{what}: no run finished ({len(runs.failed)} failed)."
    fields = ("feature_pca_residual", "feature_weight_residual", "gram_residual")
    parts = [
        f"NRC{i} {number(median([getattr(last, field) for last in lasts]))}"
        for i, field in enumerate(fields, start=1)
    ]
    return (
        f"{what}: at the end of training {', '.join(parts)} (chance level of the first two "
        f"{number(lasts[0].chance_residual)}), R² {number(median([last.r2 for last in lasts]))}; "
        f"eigenvalues of the Gram matrix {number_list(lasts[0].gram_eigenvalues)} (first seed)."
    )


def number_list(values: Sequence[float]) -> str:
    """Numbers in brackets."""
    return "(" + ", ".join(number(value) for value in values) + ")"
