"""Records on disk: versioned JSON documents, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepnrc.errors import FileError

__all__ = ["read_document", "write_document"]

_FORMAT = "deepnrc"


def write_document(
    path: str | os.PathLike[str], kind: str, version: int, payload: Mapping[str, Any]
) -> Path:
    """Write a record as JSON, atomically: readers see the old file or the new one, never half.

    Args:
        path: Where; its folder must exist.
        kind: What the record is, e.g. ``"measurement"``.
        version: Of the record's layout.
        payload: The record; floats keep every digit.

    Returns:
        The path.

    Raises:
        FileError: The folder does not exist or cannot be written to.
    """
    document = {"format": _FORMAT, "kind": kind, "version": version, "record": dict(payload)}
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(f"cannot write '{target}': {error.strerror or error}") from error
    return target


def read_document(path: str | os.PathLike[str], kinds: Mapping[str, int]) -> dict[str, Any]:
    """Read a record and check that the file holds one of a known kind and version.

    Args:
        path: The file.
        kinds: Known kinds, each with the newest version that can be read.

    Raises:
        FileError: Missing, not a deepnrc document, cut off, or of an unknown kind or version.
    """
    source = Path(path)
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"cannot read '{source}': {error.strerror or error}") from error
    except ValueError as error:
        raise FileError(
            f"'{source}' is not a whole JSON file ({error}): it was cut off or altered"
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
