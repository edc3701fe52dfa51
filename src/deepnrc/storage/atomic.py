"""Atomic writing: whatever stops a process, a file holds its old content or its new content."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from deepnrc.errors import FileError

__all__ = [
    "atomic_draft",
    "check_writable",
    "draft_path",
    "is_draft",
    "make_folder",
    "open_plain",
    "refuse_link",
    "remove_drafts",
    "replace_by_draft",
    "replace_file",
    "sync_file",
    "sync_folder",
    "write_atomically",
    "write_errors",
]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OPEN = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")
# Of a file system that does not force a file or folder to the disk when asked, or not this one.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF)
_NO_FOLDER_SYNC = (*_NO_SYNC, errno.EACCES, errno.EPERM, errno.EISDIR)
# ".tmp" is the ending of the drafts of version 0.1.
_DRAFT = re.compile(r"\.(?P<name>.+)\.(?:[0-9a-f]{8}\.draft|tmp)")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees a part of it.

    A link is followed, and what it leads to is replaced. A device or a pipe is written to: to
    replace it by a file would take it from everybody.

    Args:
        path: The file; its folder must exist. An older file is replaced.
        content: All of it.

    Raises:
        FileError: The file cannot be written; an older one is unchanged.
    """
    with write_errors(path):
        if _is_stream(path):
            descriptor = _descriptor(path)
            with path.open("ab") if descriptor is None else os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            return
        replace_file(path.resolve(), content)


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """As `write_atomically`, of a file in a folder of this package: a link at its path is replaced.

    In a folder that somebody else has made, a link could lead to any file.

    Args:
        path: The file; its folder must exist. What is there is replaced.
        content: All of it.
        durable: Whether the new name outlives a loss of power at once; otherwise from the next
            `sync_folder` of its folder on. The content is forced to the disk in any case.

    Raises:
        FileError: The file cannot be written; an older one is unchanged.
    """
    with write_errors(path):
        draft = draft_path(path)
        try:
            draft.write_bytes(content)
            replace_by_draft(path, draft, durable=durable)
        finally:
            _remove(draft)


def check_writable(path: Path, what: str) -> None:
    """Refuse a file that could not be written, before the work that would be lost.

    Args:
        path: The file.
        what: That names it, for the message: ``"--save"``.

    Raises:
        FileError: It is a folder, or its folder is missing or cannot be written to.
    """
    folder = path.resolve().parent
    if path.is_dir():
        raise FileError(f"{what} must name a file; '{path}' is a folder: name a file in it")
    if not folder.is_dir():
        raise FileError(f"{what} {path}: there is no folder '{folder}': make it first")
    if not _is_stream(path) and not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"{what} {path}: folder '{folder}' cannot be written to: choose another")


def _is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe, or what this process has open, such as /dev/stdout."""
    special = path.exists() and not path.is_file() and not path.is_dir()
    return special or _OPEN.fullmatch(str(path)) is not None


def _descriptor(path: Path) -> int | None:
    """A copy of the descriptor that a path names, at the place where it is being written."""
    match = _OPEN.fullmatch(str(path))
    if match is None:
        return None
    sys.stdout.flush()
    return os.dup({"stdout": 1, "stderr": 2}.get(match[1] or "", int(match[2] or 0)))


@contextlib.contextmanager
def atomic_draft(path: Path) -> Iterator[Path]:
    """A path to write to, which replaces ``path`` when the context ends without an exception.

    Otherwise the draft is removed. Errors of the body are passed on as they are.

    Args:
        path: The file or folder; its parent folder must exist.

    Raises:
        FileError: The draft cannot be moved to ``path``.
    """
    draft = draft_path(path)
    try:
        yield draft
        replace_by_draft(path, draft)
    finally:
        _remove(draft)


def draft_path(path: Path) -> Path:
    """A new name beside ``path``, by which `remove_drafts` recognises what a killed process left.

    In the same folder, because a rename is atomic only within one file system.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")


def is_draft(path: Path) -> bool:
    """Whether a name is one of `draft_path`, which only a killed process leaves behind."""
    return _DRAFT.fullmatch(path.name) is not None


def replace_by_draft(path: Path, draft: Path, *, durable: bool = True) -> None:
    """Move a draft to its final path, after forcing its content to the disk.

    The content of a folder is not forced to the disk: it needs a manifest that tells whether it is
    complete.

    Args:
        path: The final one.
        draft: A file or folder beside it.
        durable: As of `replace_file`.

    Raises:
        FileError: The draft cannot be moved; a file at ``path`` is unchanged.
    """
    with write_errors(path):
        if not draft.is_dir():
            _sync(draft, os.O_RDWR, _NO_SYNC)  # or a crash could leave the name without content
            draft.replace(path)
        elif path.exists():  # a folder cannot be renamed onto another
            aside = draft_path(path)
            path.rename(aside)
            draft.rename(path)
            _remove(aside)
        else:
            draft.rename(path)
    if durable:
        sync_folder(path.parent)  # a rename alone may be lost with the power


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where its file system does that.

    Raises:
        FileError: The disk reports an error.
    """
    if os.name != "nt":  # Windows cannot open a folder
        with write_errors(folder):
            _sync(folder, os.O_RDONLY, _NO_FOLDER_SYNC)


def sync_file(descriptor: int) -> None:
    """Force an open file to the disk, where its file system does that.

    Raises:
        OSError: The disk reports an error.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link: in a folder that somebody else has made, it could lead anywhere.

    Raises:
        FileError: It is one.
    """
    if path.is_symlink():
        raise FileError(
            f"'{path}' is a symbolic link, which may lead anywhere: replace it by what it leads to"
        )


def open_plain(path: Path, flags: int) -> int:
    """The descriptor of a plain file; a link or a special file in its place is refused.

    Args:
        path: The file; made if ``flags`` has ``O_CREAT``.
        flags: Of `os.open`.

    Raises:
        FileError: It is a symbolic link, or not a file.
        OSError: It cannot be opened.
    """
    refuse_link(path)
    # Not blocking, or a named pipe would wait for its other end.
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | extra, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileError(f"'{path}' is not a plain file: remove it or choose another folder")
    return descriptor


def remove_drafts(folder: Path, name: str = "") -> None:
    """Remove the drafts in a folder that killed processes left behind.

    Args:
        folder: Where no other process may be writing.
        name: Only drafts of the file or folder of this name, and drafts of such drafts.
    """
    with write_errors(folder):
        for path in list(folder.iterdir()):
            draft_of = _draft_of(path.name)
            if draft_of and name in ("", draft_of):
                _remove(path)


def _draft_of(name: str) -> str:
    """The name of what a file is a draft of, or a draft of a draft; empty if it is none."""
    found = ""
    while match := _DRAFT.fullmatch(name):
        found = name = match["name"]
    return found


def make_folder(folder: Path, *, within: Path | None = None) -> None:
    """Make a folder and those above it, where they do not exist yet.

    Args:
        folder: Which; what was made of it is removed where it cannot be made.
        within: A folder above it, which somebody else may have made: no link below it is followed.

    Raises:
        FileError: The folder cannot be made, or is a link within ``within``.
    """
    above = [folder, *folder.parents]
    for link in above[: above.index(within)] if within is not None else ():
        refuse_link(link)
    missing = [part for part in above if not part.exists()]
    with write_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            for part in missing:
                with contextlib.suppress(OSError):
                    part.rmdir()
            raise


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `FileError` that names the file and says what to do.

    Raises:
        FileError: The body raised an `OSError`.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise FileError(
                f"cannot write '{path}': the disk or quota is full ({reason}); what was written "
                "before stays readable: free some space and give the same command again to resume"
            ) from error
        raise FileError(f"cannot write '{path}': {reason}") from error


def _sync(path: Path, flags: int, ignored: Iterable[int | None]) -> None:
    try:
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in ignored:
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
