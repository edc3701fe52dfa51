"""A lock between processes, which the operating system releases when its holder ends."""

import contextlib
import errno
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from deepnrc.errors import DeepNRCError, DeepNRCWarning
from deepnrc.storage.atomic import make_folder, open_plain, write_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["HeldLock", "file_lock"]

_BUSY = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
# Of a file system that has no locks, or whose lock server does not answer.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


class HeldLock:
    """A lock that this process holds.

    Args:
        file: The lock's own file.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._is = file, _identity(file)

    def check(self) -> None:
        """Refuse to write on where the folder is no longer the one that was locked.

        A lock belongs to the file that was opened, not to its path: a folder that is moved takes
        it along, and another process may then lock a new one at the old place.

        Raises:
            DeepNRCError: The folder was moved, removed or replaced.
        """
        if _identity(self._file) != self._is:
            raise DeepNRCError(
                f"'{self._file.parent}' was moved, removed or replaced while this process wrote to "
                "it: it stops here, before it mixes with another; give the same command with the "
                "folder's new place to resume"
            )


@contextlib.contextmanager
def file_lock(file: Path, on_busy: Callable[[str], None]) -> Iterator[HeldLock]:
    """Hold a lock while the context lasts; it also ends with the process, however that ends.

    Where the file system has no locks, a `DeepNRCWarning` says so, and nothing is locked.

    Args:
        file: The lock's own file; it and its folder are made where they do not exist.
        on_busy: Called with the holder, as in ``"process 17 on node3"``, where another process has
            the lock. It raises to give up at once; where it returns, the lock is waited for.

    Raises:
        FileError: The lock's file cannot be made or written to.
    """
    # Beside the lock's file, which on Windows nobody else can read while it is locked.
    holder = file.with_name(f"{file.name}.holder")
    make_folder(file.parent)
    with contextlib.ExitStack() as held:
        with write_errors(file):
            take = _flock(file) if fcntl is not None else _windows_lock(file)
            lock = held.enter_context(take)
            try:
                if not lock(False):
                    on_busy(_holder(holder))
                    lock(True)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                warnings.warn(
                    f"the file system of '{file.parent}' offers no locks ({error.strerror}): make "
                    "sure that no other process writes to this folder",
                    DeepNRCWarning,
                    stacklevel=3,
                )
        try:
            with contextlib.suppress(OSError):  # it is only for a message
                _say_who(holder)
            yield HeldLock(file)
        finally:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)


@contextlib.contextmanager
def _flock(file: Path) -> Iterator[Callable[[bool], bool]]:
    """``lock(wait)``, which returns whether it has the lock; given back at the end."""
    descriptors: list[int] = []

    def lock(wait: bool) -> bool:
        while True:
            descriptors.append(open_plain(file, os.O_RDWR | os.O_CREAT))
            try:
                fcntl.flock(descriptors[-1], fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
                return False
            if _identity(file) == _identity(descriptors[-1]):
                return True  # otherwise somebody removed the file in between

    try:
        yield lock
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@contextlib.contextmanager
def _windows_lock(file: Path) -> Iterator[Callable[[bool], bool]]:
    lock = FileLock(file, thread_local=False)

    def acquire(wait: bool) -> bool:
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
        return True

    try:
        yield acquire
    finally:
        lock.release()


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Device and number of a file, which stay when its folder is moved; None where it is gone."""
    try:
        found = os.stat(file) if isinstance(file, Path) else os.fstat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _say_who(holder: Path) -> None:
    descriptor = open_plain(holder, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"process {os.getpid()} on {socket.gethostname()}")


def _holder(file: Path) -> str:
    try:
        return _of_the_file(file) or "another process"
    except OSError:
        return "another process"


def _of_the_file(file: Path) -> str:
    with os.fdopen(open_plain(file, os.O_RDONLY), encoding="utf-8", errors="replace") as opened:
        return opened.read(200)
