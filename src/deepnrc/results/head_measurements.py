"""The record of several heads: a measurement each, and a diagnosis each."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from deepnrc.errors import FileError
from deepnrc.results.diagnosis import Diagnosis, diagnose
from deepnrc.results.measurement import Measurement, check_measurement
from deepnrc.storage.documents import read_document, write_document

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HeadDiagnoses", "HeadMeasurements"]

Record = TypeVar("Record")

_KIND, _VERSION = "head measurements", 1


@dataclass(frozen=True, kw_only=True)
class _ByHead(Mapping[str, Record], Generic[Record]):
    heads: Mapping[str, Record]

    def __getitem__(self, head: str) -> Record:
        if head in self.heads:
            return self.heads[head]
        raise KeyError(f"no head '{head}'; measured: {', '.join(self.heads)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)

    def __str__(self) -> str:
        return "\n\n".join(f"=== {head} ===\n{one}" for head, one in self.heads.items())


@dataclass(frozen=True, kw_only=True)
class HeadDiagnoses(_ByHead[Diagnosis]):
    """A diagnosis for each head.

    Attributes:
        heads: By name, in the order of the targets.
    """

    @property
    def headline(self) -> str:
        """The verdict of each head, a line each."""
        return "\n".join(f"{head}: {one.headline}" for head, one in self.heads.items())


@dataclass(frozen=True, kw_only=True)
class HeadMeasurements(_ByHead[Measurement]):
    """A measurement for each head, from one pass over the data.

    Attributes:
        heads: By name, in the order of the targets.
    """

    def diagnose(self, *, rule: str = "all", **thresholds: float) -> HeadDiagnoses:
        """A diagnosis for each head: of the layers that its own predictions depend on.

        Args:
            rule: As of `deepnrc.diagnose`.
            thresholds: As of `deepnrc.diagnose`.
        """
        found = {head: diagnose(one, rule=rule, **thresholds) for head, one in self.heads.items()}
        return HeadDiagnoses(heads=found)

    def to_frame(self) -> "pd.DataFrame":
        """One row a head and layer, indexed by both; the columns of `Measurement.to_frame`."""
        import pandas as pd  # noqa: PLC0415  - slow to import

        frames = {head: one.to_frame() for head, one in self.heads.items()}
        return pd.concat(frames, names=["head", "layer"])

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as JSON holds them, by head."""
        return {head: one.to_dict() for head, one in self.heads.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "HeadMeasurements":
        """The record back from `to_dict`.

        Raises:
            KeyError: A field is missing.
        """
        return cls(heads={head: Measurement.from_dict(one) for head, one in record.items()})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all heads to one JSON file, which `load` reads back, every digit the same.

        Raises:
            FileError: The folder is missing or cannot be written to.
        """
        write_document(path, _KIND, _VERSION, {"heads": self.to_dict()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "HeadMeasurements":
        """The record from the file that `save` wrote.

        Raises:
            FileError: Missing, damaged, no such record, or of a newer version.
        """
        record = read_document(path, {_KIND: _VERSION}, check=lambda record: _check(record, path))
        return cls.from_dict(record["heads"])


def _check(record: Mapping[str, Any], path: object) -> None:
    heads = record.get("heads")
    if not isinstance(heads, dict):
        raise FileError(f"'{path}' lacks a field of its measurements: 'heads': measure again")
    for head, one in heads.items():
        check_measurement(one, f"{path}' head '{head}")
