"""The record of a measurement: every metric at every layer, as text, on disk and back."""

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from deepnrc._version import __version__
from deepnrc.activations.layers import Skipped
from deepnrc.metrics.catalogue import CATALOGUE, CLASS_CATALOGUE
from deepnrc.metrics.last_layer import LastLayer
from deepnrc.results.layer_measurement import LayerMeasurement
from deepnrc.results.layer_table import layer_table
from deepnrc.results.signal_values import signal_table
from deepnrc.storage.documents import document_bytes, read_document, write_document
from deepnrc.storage.records import plain, restored
from deepnrc.support.text import Table, counted, number, shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measurement", "check_measurement", "load", "measurement_bytes"]

_VERSION = 2


@dataclass(frozen=True, kw_only=True)
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
        rcond: Cut-off of the linear prediction, relative to the largest singular value; None where
            every direction that the moments resolve was kept.
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
        notes: What should be known of how the batches were read.
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
    rcond: float | None = field(metadata={"stored_as": "rtol"})
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
    notes: tuple[str, ...] = field(default=(), metadata={"omit_empty": True})

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
        return shown("\n".join([self.summary, str(self.table), *self.details]))

    @property
    def details(self) -> tuple[str, ...]:
        """What ``print`` shows below the table: conditions at the targets' rank, notes."""
        at_rank = [(x.name, x.at_target_rank) for x in self.layers if x.at_target_rank is not None]
        skipped = (
            f"not measured: {x.name or 'the model itself'}: {x.reason}" for x in self.skipped
        )
        if not at_rank:
            return (*self.notes, *skipped)
        r = max(values.signal_rank for _, values in at_rank)
        dims = counted(r, "direction holds", "directions hold")
        low_rank = (
            f"The targets are of low rank: {dims} 99 % of their variance. The same at k = {r}, "
            f"by which diagnoses go:\n{signal_table(at_rank)}"
        )
        return (low_rank, *self.notes, *skipped)

    @property
    def table(self) -> Table:
        """One row a layer, as ``print`` shows it below the summary."""
        classify = self.task == "classification"
        return layer_table(self.layers, classify=classify, last_layer=self.last_layer)

    @property
    def summary(self) -> str:
        """What was measured and how well the model predicts, in two lines."""
        samples, batches = (
            counted(self.samples, "sample"),
            counted(self.batches, "batch", "batches"),
        )
        targets = counted(self.target_dim, "target dimension")
        rank = f"signal rank {self.signal_rank}"
        if self.task == "classification":
            targets = f"{self.target_dim} classes"
            rank += " (classes − 1)" if self.signal_rank == self.target_dim - 1 else ""
        text = f"{self.model}: {samples} in {batches}, {targets}, {rank}"
        text += "" if self.center else ", uncentred"
        text += "" if self.intercept else ", no intercept in NRC4"
        if self.accuracy is not None:
            return f"{text}\nmodel's own accuracy {self._own('accuracy')}"
        if "model_mse" in self.undefined:
            return f"{text}\nmodel's own MSE {self._own('model_mse')}"
        text += f"\nmodel's own MSE {number(self.model_mse)}, R² {number(self.model_r2)}"
        if self.model_r2 <= 0.0:
            text += " (no better than the targets' mean: NRC4 below says little)"
        return text

    def _own(self, name: str) -> str:
        reason = self.undefined.get(name)
        return f"undefined: {reason}" if reason else number(getattr(self, name))

    @property
    def rtol(self) -> float | None:
        """The old name of ``rcond``."""
        warnings.warn("Measurement.rtol is now called rcond", FutureWarning, stacklevel=2)
        return self.rcond

    @property
    def names(self) -> tuple[str, ...]:
        """Layer names in calling order."""
        return tuple(record.name for record in self.layers)

    def to_frame(self) -> "pd.DataFrame":
        """One row a layer, indexed by its name; one column a field, but for spectrum and texts."""
        import pandas as pd  # noqa: PLC0415  - slow to import

        left_out = {"name", "eigenvalues", "undefined", "notes", "collapse", "extra"}
        columns = [f.name for f in fields(LayerMeasurement) if f.name not in left_out]
        rows = [[getattr(record, column) for column in columns] for record in self.layers]
        frame = pd.DataFrame(rows, index=pd.Index(self.names, name="layer"), columns=columns)
        for name in CLASS_CATALOGUE if self.task == "classification" else ():
            frame[name] = [getattr(record.collapse, name) for record in self.layers]
        for name in self.layers[0].extra if self.layers else ():
            frame[name] = [record.extra[name] for record in self.layers]
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as JSON holds them; undefined numbers are None."""
        record: dict[str, Any] = plain(self)
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Measurement":
        """The record back from `to_dict`; metrics younger than it are undefined.

        Raises:
            KeyError: A field is missing.
        """
        layers = [{**x, "undefined": {**_younger(x), **x["undefined"]}} for x in record["layers"]]
        measurement: Measurement = restored(cls, {**record, "layers": layers})
        return measurement

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON; `deepnrc.load` reads it back, every digit the same.

        Raises:
            FileError: The folder is missing or cannot be written to.
        """
        write_document(path, "measurement", _VERSION, self.to_dict())


def _younger(layer: Mapping[str, Any]) -> dict[str, str]:
    missing = [name for name in CATALOGUE if name not in layer]
    return dict.fromkeys(missing, "the record is older than this metric: measure again")


def load(path: str | os.PathLike[str]) -> Measurement:
    """A measurement from the file `Measurement.save` wrote.

    Raises:
        FileError: Missing, damaged, altered, not a measurement, or of a newer version; a value that
            a measurement cannot have is named.
    """
    record = read_document(
        path, {"measurement": _VERSION}, check=lambda record: check_measurement(record, path)
    )
    return Measurement.from_dict(record)


def measurement_bytes(measurement: Measurement, **labels: str | int) -> bytes:
    """The content of the file of `Measurement.save`, with labels of the run that it belongs to.

    Args:
        measurement: The record.
        labels: As of `deepnrc.storage.documents.document_bytes`.
    """
    return document_bytes("measurement", _VERSION, measurement.to_dict(), **labels)


def check_measurement(record: Mapping[str, Any], path: object) -> None:
    """Refuse a record from a file that is no measurement, or of values that it cannot have.

    Args:
        record: As `Measurement.to_dict` gives it.
        path: The file, for messages.

    Raises:
        FileError: A field is missing, unknown, of another type or out of range; it is named.
    """
    from deepnrc.storage.schema import check_record  # noqa: PLC0415  - pydantic takes a moment

    advice = "it was altered, or is of a newer deepnrc; measure again or restore it from a copy"
    check_record(Measurement, record, path, advice=advice)
