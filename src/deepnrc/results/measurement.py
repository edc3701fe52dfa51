"""The record of a measurement: every metric at every layer, on disk and back.

Longer than a file should be for its field lists, which are what a reader looks up.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from deepnrc._version import __version__
from deepnrc.activations.layers import Skipped
from deepnrc.errors import FileError
from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.results.tables import measurement_table
from deepnrc.storage.documents import read_document, write_document
from deepnrc.storage.records import plain, restored

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ClassCollapse", "LayerMeasurement", "Measurement", "load"]

_VERSION = 2


@dataclass(frozen=True)
class ClassCollapse:
    """Neural collapse of one layer of a classifier; NaN where undefined, with the reason.

    The metrics are described in `deepnrc.metrics.classification`.

    Attributes:
        undefined: Reason by name of each undefined value.
    """

    within_class_share: float
    within_between_ratio: float
    class_distance_variance: float
    simplex_distance: float
    class_norm_variation: float
    class_angle_deviation: float
    class_weight_alignment: float
    class_weight_cosine: float
    nearest_mean_agreement: float
    undefined: Mapping[str, str]

    @property
    def values(self) -> dict[str, float]:
        """The metrics by name; NaN where undefined."""
        return {name: getattr(self, name) for name in CLASS_CATALOGUE}


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
        collapse: Neural collapse, NC1–4; None for a regression.
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
    collapse: ClassCollapse | None = None

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
        signal_rank: k asked for; t unless said otherwise, C − 1 for a classification.
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
        task: ``"regression"``; ``"classification"``, where the targets are one-hot rows.
        last_layer: [A24]'s quantities at the last layer; None where no layer that was called has
            a weight of t rows, and for a classification; then ``undefined`` says so.
        class_counts: Samples of each class; empty for a regression.
        accuracy: Share of the samples whose largest score is their class's; None for a regression.
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
    task: str = "regression"
    last_layer: LastLayer | None = None
    class_counts: tuple[int, ...] = ()
    accuracy: float | None = None

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

        left_out = {"name", "eigenvalues", "undefined", "notes", "collapse"}
        columns = [f.name for f in fields(LayerMeasurement) if f.name not in left_out]
        rows = [[getattr(record, column) for column in columns] for record in self.layers]
        frame = pd.DataFrame(rows, index=pd.Index(self.names, name="layer"), columns=columns)
        for name in CLASS_CATALOGUE if self.task == "classification" else ():
            frame[name] = [getattr(record.collapse, name) for record in self.layers]
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as JSON holds them; undefined numbers are None."""
        record: dict[str, Any] = plain(self)
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Measurement":
        """The record back from `to_dict`.

        Raises:
            KeyError: A field is missing.
        """
        measurement: Measurement = restored(cls, record)
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
