"""The table of a sweep: one row for each value measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepnrc.errors import ArgumentError
from deepnrc.results.measurement import Measurement
from deepnrc.storage.atomic import write_atomically
from deepnrc.support.optional import optional_import
from deepnrc.training.runs.folder import RunFolder
from deepnrc.training.runs.measured import load_measured
from deepnrc.training.sweeps.expand import Member

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_table", "tidy_frame", "write_table"]


def tidy_frame(members: Sequence[Member], out: Path) -> "pd.DataFrame":
    """One row for each value measured, as statistics and plotting programs expect it.

    Columns: ``run``, one for each swept key, ``seed``, ``part`` (``"train"`` or ``"test"``),
    ``epoch``, ``layer``, ``metric``, ``value``. The network's own ``model_mse`` and ``model_r2``
    have an empty layer; undefined values are NaN.

    Raises:
        FileError: A measurement is lost or was altered; it is named, with what to do.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    rows = [row for member in members for row in _rows(member, out)]
    keys = list(members[0].settings) if members else []
    columns = ["run", *keys, "seed", "part", "epoch", "layer", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def check_table(path: Path) -> None:
    """Refuse before the work what `write_table` could not write after it.

    Raises:
        ArgumentError: The name ends in neither .csv nor .parquet, or in .parquet without pyarrow.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ArgumentError(f"table: '{path}' must end in .csv or .parquet")
    if path.suffix == ".parquet":
        optional_import("pyarrow", purpose="a table that ends in .parquet", extra="parquet")


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write the table as CSV or Parquet, by the ending of the file's name; every digit is kept.

    Raises:
        ArgumentError: As `check_table`.
        FileError: The file cannot be written.
    """
    check_table(path)
    if path.suffix == ".csv":
        content: bytes = frame.to_csv(index=False).encode()
    else:
        content = frame.to_parquet(index=False)
    write_atomically(path, content)


def _rows(member: Member, out: Path) -> Iterator[list[Any]]:
    folder = RunFolder(out / member.name)
    manifest = folder.manifest()
    for epoch in folder.epochs() if manifest is None else manifest.epochs():
        for part in ("train", "test"):
            measurement = load_measured(folder, epoch, part, manifest=manifest)
            if measurement is not None:
                start = [member.name, *member.settings.values(), member.config.seed, part, epoch]
                yield from ([*start, *value] for value in _values(measurement))


def _values(measurement: Measurement) -> Iterator[tuple[str, str, float]]:
    yield "", "model_mse", measurement.model_mse
    yield "", "model_r2", measurement.model_r2
    for layer in measurement:
        for metric, value in layer.values.items():
            yield layer.name, metric, value
