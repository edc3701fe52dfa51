"""The JSON Schemas of the files that this package writes, as they are shipped with it."""

import json
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from deepnrc.errors import ArgumentError
from deepnrc.results.measurement import Measurement
from deepnrc.storage.atomic import write_atomically
from deepnrc.storage.schema import json_schema
from deepnrc.support.suggestions import did_you_mean
from deepnrc.training.runs.entries import EnvironmentRecord, LogEntry, SessionEntry
from deepnrc.training.runs.manifest import ManifestRecord

__all__ = ["SCHEMAS", "current_schema", "schema_text", "write_schemas"]

SCHEMAS: Mapping[str, tuple[type, str]] = {
    "environment": (EnvironmentRecord, "deepnrc: environment.json of a run"),
    "log": (LogEntry, "deepnrc: a line of log.jsonl of a run"),
    "measurement": (Measurement, "deepnrc: the entry 'record' of a measurement"),
    "run": (ManifestRecord, "deepnrc: the entry 'record' of manifest.json of a run"),
    "session": (SessionEntry, "deepnrc: a line of sessions.jsonl of a run"),
}
"""Kinds of records, each with its dataclass and what its schema describes."""


def schema_text(kind: str) -> str:
    """The JSON Schema of a kind of record, as this version checks it.

    Raises:
        ArgumentError: There is no such kind.
    """
    if kind not in SCHEMAS:
        hint = did_you_mean(kind, SCHEMAS)
        raise ArgumentError(f"there is no schema '{kind}': {hint}There are {', '.join(SCHEMAS)}")
    place = resources.files("deepnrc.storage") / "schemas" / f"{kind}.json"
    return place.read_text(encoding="utf-8")


def write_schemas(folder: Path) -> None:
    """Write the schema of every kind: ``python -m deepnrc.training.runs.schemas FOLDER``."""
    for kind in SCHEMAS:
        write_atomically(folder / f"{kind}.json", current_schema(kind).encode())


def current_schema(kind: str) -> str:
    """The schema that follows from the code; the shipped one must equal it."""
    record, title = SCHEMAS[kind]
    return json.dumps(json_schema(record, title), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
