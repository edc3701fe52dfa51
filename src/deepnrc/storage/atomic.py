"""Writing a run's files so that a stop at any moment, or a full disk, leaves whole ones."""

import errno
import os
from pathlib import Path

from deepnrc.errors import FileError

__all__ = ["remove_drafts", "sync_folder", "write_failure", "write_whole"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its name, force it to the disk, then rename: all of it or nothing.

    Raises:
        FileError: It cannot be written; what lay there before is untouched.
    """
    draft = path.with_name(f".{path.name}.tmp")
    try:
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise write_failure(path, error) from error


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk: a rename alone may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drafts(folder: Path) -> None:
    """Remove what a killed process left half written: hidden files that some writer here made."""
    for draft in (*folder.glob(".*.tmp"), *folder.glob(".epoch-*")):
        draft.unlink()


def write_failure(path: Path, error: OSError) -> FileError:
    """The error to raise: says when the disk is full, and that a run can go on afterwards."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return FileError(
            f"cannot write '{path}': the disk or quota is full ({reason}); what was written before "
            "stays readable: free some space and give the same command again to go on"
        )
    return FileError(f"cannot write '{path}': {reason}")
