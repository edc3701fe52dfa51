"""Records on disk: versioned JSON documents, written atomically."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepnrc.errors import FileError
from deepnrc.storage.atomic import write_atomically

__all__ = ["json_bytes", "read_document", "write_document"]

_FORMAT = "deepnrc"


def json_bytes(value: object) -> bytes:
    """A value as the content of a JSON file, in UTF-8; floats keep every digit.

    Raises:
        TypeError: The value holds something that JSON cannot represent.
        ValueError: The value holds NaN or infinity.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def write_document(
    path: str | os.PathLike[str], kind: str, version: int, record: Mapping[str, Any]
) -> Path:
    """Write a record as JSON, atomically: readers see the old file or the new one.

    Args:
        path: The file; its folder must exist.
        kind: What the record is, e.g. ``"measurement"``.
        version: Of the record's layout.
        record: The record; floats keep every digit.

    Returns:
        The path.

    Raises:
        FileError: The folder does not exist or cannot be written to.
    """
    document = {"format": _FORMAT, "kind": kind, "version": version, "record": dict(record)}
    target = Path(path)
    write_atomically(target, json_bytes(document))
    return target


def read_document(path: str | os.PathLike[str], kinds: Mapping[str, int]) -> dict[str, Any]:
    """Read a record and check that the file holds one of a known kind and version.

    Args:
        path: The file.
        kinds: Known kinds, each with the newest version that can be read.

    Raises:
        FileError: The file is missing, incomplete, not from deepnrc, or of an unknown kind or
            version.
    """
    source = Path(path)
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"cannot read '{source}': {error.strerror or error}") from error
    except ValueError as error:
        raise FileError(
            f"'{source}' is not complete JSON ({error}): it was cut off or altered"
        ) from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise FileError(f"'{source}' was not written by deepnrc")
    kind, version = document.get("kind"), document.get("version")
    if not isinstance(kind, str) or kind not in kinds:
        raise FileError(f"'{source}' holds a {kind!r}; expected one of {sorted(kinds)}")
    if not isinstance(version, int) or version > kinds[kind]:
        raise FileError(
            f"'{source}' is a {kind} of version {version}; this deepnrc reads up to "
            f"{kinds[kind]}: update deepnrc"
        )
    record = document.get("record")
    if not isinstance(record, dict):
        raise FileError(f"'{source}' holds no record: it was altered")
    return record
