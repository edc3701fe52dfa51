"""Records on disk: versioned JSON documents with a digest, written atomically, checked on reading.

::

    {"format": "deepnrc", "kind": "measurement", "version": 2, "run": …, "sha256": …, "record": …}

The digest covers every other entry. Documents of older versions have none and are read as well.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deepnrc.errors import FileError
from deepnrc.storage.atomic import write_atomically
from deepnrc.storage.indented import indented
from deepnrc.storage.reading import parse_json, read_bounded
from deepnrc.support.text import shown

__all__ = [
    "document_bytes",
    "document_text",
    "json_bytes",
    "read_document",
    "read_labels",
    "write_document",
]

_FORMAT = "deepnrc"
_ENTRIES = {"format", "kind", "version", "sha256", "record"}
_LABELS = {"run", "epoch", "part"}


def json_bytes(value: object) -> bytes:
    """A value as the content of a JSON file, in UTF-8; floats keep every digit.

    Raises:
        TypeError: The value holds something that JSON cannot represent.
        ValueError: The value holds NaN or infinity.
    """
    return f"{indented(value)}\n".encode()


def document_bytes(
    kind: str, version: int, record: Mapping[str, Any], **labels: str | int
) -> bytes:
    """A record as the content of a document.

    Args:
        kind: What the record is, e.g. ``"measurement"``.
        version: Of the record's layout.
        record: The record; floats keep every digit.
        labels: Of a file that belongs to a run: ``run``, ``epoch`` and ``part``.
    """
    return document_text(kind, version, indented(record, 1), **labels).encode()


def document_text(kind: str, version: int, record: str, **labels: str | int) -> str:
    """A document around the text of its record, which `indented` gives at level 1."""
    entries = {"format": _FORMAT, "kind": kind, "version": version, **labels}
    head = [f" {indented(name)}: {indented(value)}" for name, value in entries.items()]
    end = f' "record": {record}\n}}\n'
    digest = hashlib.sha256(b"{\n" + ",\n".join([*head, end]).encode()).hexdigest()
    return "{\n" + ",\n".join([*head, f' "sha256": "{digest}"', end])


def write_document(
    path: str | os.PathLike[str], kind: str, version: int, record: Mapping[str, Any]
) -> Path:
    """Write a record as JSON, atomically: readers see the old file or the new one.

    Args:
        path: The file; its folder must exist.
        kind: As of `document_bytes`.
        version: As of `document_bytes`.
        record: As of `document_bytes`.

    Returns:
        The path.

    Raises:
        FileError: The folder does not exist or cannot be written to.
    """
    target = Path(path)
    write_atomically(target, document_bytes(kind, version, record))
    return target


def read_document(
    path: str | os.PathLike[str],
    kinds: Mapping[str, int],
    *,
    check: Callable[[Mapping[str, Any]], None] = lambda record: None,
) -> dict[str, Any]:
    """Read a record and check that the file holds one of a known kind and version, unaltered.

    Args:
        path: The file.
        kinds: Known kinds, each with the newest version that can be read.
        check: Called with the record before the digest is compared, so that a wrong value is named.

    Raises:
        FileError: The file is missing, incomplete, altered, not from deepnrc, or of an unknown kind
            or version.
    """
    source, place = Path(path), f"'{shown(path)}'"
    document = parse_json(read_bounded(source), source)
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise FileError(f"{place} was not written by deepnrc")
    kind, version = document.get("kind"), document.get("version")
    if not isinstance(kind, str) or kind not in kinds:
        raise FileError(f"{place} holds a {shown(repr(kind))}; expected one of {sorted(kinds)}")
    if type(version) is not int or version > kinds[kind]:
        raise FileError(
            f"{place} is a {kind} of version {shown(repr(version))}; this deepnrc reads up to "
            f"{kinds[kind]}: update deepnrc"
        )
    if version < 1:
        raise FileError(f"{place} is a {kind} of version {version}: it was altered")
    record = document.get("record")
    if not isinstance(record, dict):
        raise FileError(f"{place} holds no record: it was altered")
    others = sorted(document.keys() - _ENTRIES - _LABELS)
    if others:
        raise FileError(
            f"{place} has the unknown entry '{shown(others[0])}': update deepnrc, or it was altered"
        )
    check(record)
    if "sha256" in document and document["sha256"] != _digest(document):
        raise FileError(
            f"{place} was altered after it was written: its SHA-256 differs from the one in it; "
            "restore it from a copy or make it again"
        )
    return record


def read_labels(path: Path) -> dict[str, Any]:
    """Which run, epoch and part a document says it belongs to; empty where it does not say.

    Raises:
        FileError: It is missing or not JSON.
    """
    document = parse_json(read_bounded(path), path)
    found = document if isinstance(document, dict) else {}
    return {name: found[name] for name in sorted(_LABELS) if name in found}


def _digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the text of a document without its digest."""
    content = {name: value for name, value in document.items() if name != "sha256"}
    text = indented(content) + "\n"
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
