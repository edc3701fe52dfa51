"""The log of a run: one JSON object per epoch, appended; an incomplete last line is no entry."""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepnrc.errors import FileError
from deepnrc.storage.atomic import open_plain, sync_file, write_errors
from deepnrc.storage.reading import parse_json, read_bounded

__all__ = ["RunLog", "last_entry", "log_prefix", "read_log", "read_sessions"]

_TAIL = 65536  # bytes from the end of a log in which its last complete line is looked for


class RunLog:
    """Appends to a log; a line that cannot be written completely is removed.

    Args:
        path: The file; made if it does not exist.
        epoch: The run resumes after this epoch; later entries are removed.

    Raises:
        FileError: The file lacks an entry up to this epoch, or cannot be written.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self._path = path
        with write_errors(path):
            self._file = _opened(path)
        entries = _complete_lines(path)
        if len(entries) < epoch:
            self.close()
            raise FileError(
                f"'{path}' holds {len(entries)} complete lines, but the checkpoint is of epoch "
                f"{epoch}: the log was shortened or altered; start again in another folder"
            )
        kept = b"".join(entries[:epoch])
        self._size, self._entries = len(kept), epoch
        self._digest = hashlib.sha256(kept)
        with write_errors(path):
            os.ftruncate(self._file.fileno(), self._size)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one line.

        Raises:
            FileError: The line cannot be written; the log is as before.
        """
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with write_errors(self._path):
            try:
                written = self._file.write(line)
                if written < len(line):  # a full disk may accept a part
                    self._file.write(line[written:])
            except OSError:
                os.ftruncate(self._file.fileno(), self._size)
                raise
        self._size += len(line)
        self._entries += 1
        self._digest.update(line)

    @property
    def written(self) -> tuple[int, str, int]:
        """Bytes, their SHA-256, and the number of entries."""
        return self._size, self._digest.hexdigest(), self._entries

    def sync(self) -> None:
        """Force the appended lines to the disk."""
        with write_errors(self._path):
            sync_file(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _opened(path: Path) -> io.FileIO:
    """For appending, without a buffer."""
    descriptor = open_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return io.FileIO(descriptor, "ab")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a log, also while its run continues or after it was killed.

    Raises:
        FileError: The file is missing, or one of its complete lines is not a JSON object.
    """
    try:
        lines = _complete_lines(path)
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror or error}") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        entry = parse_json(line, path, where=f"line {number}")
        if not isinstance(entry, dict):
            raise FileError(f"'{path}' line {number} is not a JSON object: it was altered")
        entries.append(entry)
    return entries


def read_sessions(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The entries of a run's sessions with their lines; those that a kill cut off are left out.

    Raises:
        FileError: The file cannot be read, or a line is JSON but no object.
    """
    found = []
    for number, line in enumerate(read_bounded(path).splitlines(), start=1):
        try:
            entry = parse_json(line, path)
        except FileError:
            continue
        if not isinstance(entry, dict):
            raise FileError(f"'{path}' line {number} is not a JSON object: it was altered")
        found.append((number, entry))
    return found


def log_prefix(path: Path, epoch: int) -> tuple[int, str, int]:
    """What `RunLog.written` gives of the entries up to an epoch.

    Raises:
        FileError: The log cannot be read.
    """
    try:
        kept = b"".join(_complete_lines(path)[:epoch])
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror or error}") from error
    return len(kept), hashlib.sha256(kept).hexdigest(), epoch


def last_entry(path: Path) -> dict[str, Any] | None:
    """The last entry of a log that may be growing; None where there is none yet."""
    try:
        with path.open("rb") as file:
            file.seek(0, io.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            *_, last, _incomplete = [b"", *file.read().split(b"\n")]
        entry = json.loads(last)
    except (OSError, ValueError, RecursionError):
        return None
    fits = isinstance(entry, dict) and type(entry.get("epoch")) is int
    return entry if fits and isinstance(entry.get("train_loss"), float) else None


def _complete_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
