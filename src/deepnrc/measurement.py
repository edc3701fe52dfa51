"""The record of a measurement: every metric at every layer, on disk and back.

Longer than a file should be for its field lists, which are what a reader looks up.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from deepnrc._version import __version__
from deepnrc.errors import FileError
from deepnrc.layers import Skipped
from deepnrc.metrics.catalogue import CATALOGUE
from deepnrc.report.store import read_document, write_document
from deepnrc.report.text import measurement_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerMeasurement", "Measurement", "load"]

_VERSION = 1


@dataclass(frozen=True)
class LayerMeasurement:
    """Every metric of one layer; NaN where undefined, with the reason in ``undefined``.

    The metrics are described in `deepnrc.metrics.catalogue`. Besides them:

    Attributes:
        name: Dotted module name.
        kind: ``"linear"``, ``"linear_in_out"`` or ``"convolution"``.
        width: d, the width of its features.
        rows: Feature rows seen: samples × positions × calls.
        calls: Calls in the whole pass.
        signal_rank: k of NRC1 and NRC2: asked for, capped by the width.
        alignment_rank: k of NRC3: also capped by the ranks of features and weight.
        random_alignment: What NRC3 would be for unrelated subspaces of these dimensions.
        noise_component_floor: Rounding bound of the noise component.
        linear_prediction_floor: Rounding bound of ``linear_prediction_mse``.
        linear_prediction_rank: Feature directions the linear prediction kept.
        bound_residual: Left side of Proposition 1.
        bound: Right side of Proposition 1.
        eigenvalues: Of the features' covariance, descending.
        undefined: Reason by name of each undefined value.
        notes: What else should be known when reading the values.
    """

    name: str
    kind: str
    width: int
    rows: int
    calls: int
    signal_rank: int
    alignment_rank: int
    noise_component: float
    signal_target_cka: float
    linear_cka: float
    feature_weight_alignment: float
    noise_weight_alignment: float
    linear_prediction_mse: float
    linear_r2: float
    stable_rank: float
    covariance_stable_rank: float
    entropy_rank: float
    participation_ratio: float
    weight_stable_rank: float
    random_alignment: float
    noise_component_floor: float
    linear_prediction_floor: float
    linear_prediction_rank: int
    bound_residual: float
    bound: float
    eigenvalues: tuple[float, ...]
    undefined: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def values(self) -> dict[str, float]:
        """The catalogue's metrics by name; NaN where undefined."""
        return {name: getattr(self, name) for name in CATALOGUE}


@dataclass(frozen=True)
class Measurement:
    """What one pass over the data says of a model: one record a layer, in calling order.

    Attributes:
        model: The model's class name.
        layers: One record a layer.
        samples: N.
        batches: Batches seen.
        target_dim: t.
        signal_rank: k asked for; t unless said otherwise.
        model_mse: The model's own mean squared error over all N·t entries; NaN when undefined.
        model_r2: Its pooled R²; NaN when undefined.
        target_mean: Mean of each target.
        target_eigenvalues: Of Σ_Y, descending.
        center: Whether NRC1 and NRC3 used the centred second moment.
        intercept: Whether the linear prediction had an intercept.
        rtol: Cut-off of the linear prediction, relative to the largest singular value.
        reduce: How activations became rows.
        precision: ``"mixed"`` or ``"double"``.
        state_bytes: Bound of the memory the pass held for its sums.
        skipped: Modules with weights that were not measured, and why.
        undefined: Reason by name of each undefined value of the model.
        version: Of deepnrc.
    """

    model: str
    layers: tuple[LayerMeasurement, ...]
    samples: int
    batches: int
    target_dim: int
    signal_rank: int
    model_mse: float
    model_r2: float
    target_mean: tuple[float, ...]
    target_eigenvalues: tuple[float, ...]
    center: bool
    intercept: bool
    rtol: float
    reduce: str
    precision: str
    state_bytes: int
    skipped: tuple[Skipped, ...]
    undefined: Mapping[str, str]
    version: str = __version__

    def __getitem__(self, layer: str | int) -> LayerMeasurement:
        """The record of a layer by name, or by position (−1 is the last)."""
        if isinstance(layer, int):
            return self.layers[layer]
        for record in self.layers:
            if record.name == layer:
                return record
        raise KeyError(f"no layer '{layer}'; measured: {', '.join(self.names)}")

    def __iter__(self) -> Iterator[LayerMeasurement]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        return measurement_table(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Layer names in calling order."""
        return tuple(record.name for record in self.layers)

    def to_frame(self) -> "pd.DataFrame":
        """One row a layer, indexed by its name; one column a field, but for spectrum and texts."""
        import pandas as pd  # noqa: PLC0415  - slow to import

        left_out = {"name", "eigenvalues", "undefined", "notes"}
        columns = [f.name for f in fields(LayerMeasurement) if f.name not in left_out]
        rows = [[getattr(record, column) for column in columns] for record in self.layers]
        return pd.DataFrame(rows, index=pd.Index(self.names, name="layer"), columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as JSON holds them; undefined numbers are None."""
        record = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        record["layers"] = [
            {f.name: _plain(getattr(layer, f.name)) for f in fields(layer)} for layer in self.layers
        ]
        record["skipped"] = [{"name": x.name, "reason": x.reason} for x in self.skipped]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Measurement":
        """The record back from `to_dict`.

        Raises:
            KeyError: A field is missing.
        """
        layers = tuple(_restored(LayerMeasurement, layer) for layer in record["layers"])
        skipped = tuple(Skipped(x["name"], x["reason"]) for x in record["skipped"])
        measurement: Measurement = _restored(cls, {**record, "layers": layers, "skipped": skipped})
        return measurement

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON; `deepnrc.load` reads it back, every digit the same.

        Raises:
            FileError: The folder is missing or cannot be written to.
        """
        write_document(path, "measurement", _VERSION, self.to_dict())


def load(path: str | os.PathLike[str]) -> Measurement:
    """A measurement from the file `Measurement.save` wrote.

    Raises:
        FileError: Missing, damaged, not a measurement, or of a newer version.
    """
    record = read_document(path, {"measurement": _VERSION})
    try:
        return Measurement.from_dict(record)
    except (KeyError, TypeError) as error:
        raise FileError(f"'{path}' lacks a field of a measurement: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value


def _restored(kind: type[Any], record: Mapping[str, Any]) -> Any:
    values = {}
    for field in fields(kind):
        value = record[field.name]
        if value is None and field.type is float:
            value = math.nan
        elif isinstance(value, list):
            value = tuple(value)
        values[field.name] = value
    return kind(**values)
