"""The log of a run: one JSON object an epoch, appended; a half-written last line is no entry."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepnrc.errors import FileError
from deepnrc.storage.atomic import write_errors

__all__ = ["RunLog", "read_log"]


class RunLog:
    """Appends to a log, each line whole or not at all.

    Args:
        path: The file; made if need be.
        epoch: Entries after this epoch are cut off: the run goes on from there.

    Raises:
        FileError: The file lacks an epoch up to there, or cannot be written.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self._path = path
        with write_errors(path):
            self._file = path.open("ab", buffering=0)
        entries = _whole_lines(path)
        if len(entries) < epoch:
            self.close()
            raise FileError(
                f"'{path}' holds {len(entries)} whole lines, but the checkpoint is of epoch "
                f"{epoch}: the log was shortened or altered; start again in another folder"
            )
        self._size = sum(map(len, entries[:epoch]))
        os.truncate(path, self._size)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one line.

        Raises:
            FileError: It cannot be written; the log is as before.
        """
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with write_errors(self._path):
            try:
                written = self._file.write(line)
                if written < len(line):  # a full disk may take a part
                    self._file.write(line[written:])
            except OSError:
                os.truncate(self._path, self._size)
                raise
        self._size += len(line)

    def sync(self) -> None:
        """Force what was appended to the disk."""
        with write_errors(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more lines."""
        self._file.close()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a log, also while its run goes on or after it was killed.

    Raises:
        FileError: The file is missing, or a whole line of it is no JSON object.
    """
    try:
        lines = _whole_lines(path)
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror or error}") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise FileError(f"'{path}' line {number} is not JSON: it was altered") from error
        if not isinstance(entry, dict):
            raise FileError(f"'{path}' line {number} is no JSON object: it was altered")
        entries.append(entry)
    return entries


def _whole_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
