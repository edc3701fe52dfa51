"""A lock between processes, which the operating system releases when its holder ends."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from deepnrc.storage.atomic import make_folder, write_errors

__all__ = ["file_lock"]


@contextlib.contextmanager
def file_lock(file: Path, on_busy: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock while the context lasts; it also ends with the process, however that ends.

    Args:
        file: The lock's own file; it and its folder are made where they do not exist.
        on_busy: Called with the holder, as in ``"process 17 on node3"``, where another process has
            the lock. It raises to give up at once; where it returns, the lock is waited for.

    Raises:
        FileError: The lock's file cannot be made or written to.
    """
    # Beside the lock's file, which on Windows nobody else can read while it is locked.
    holder = file.with_name(f"{file.name}.holder")
    lock = FileLock(file, thread_local=False)
    make_folder(file.parent)
    if not _acquired(lock, file, wait=False):
        on_busy(_holder(holder))
        _acquired(lock, file, wait=True)
    try:
        with contextlib.suppress(OSError):  # it is only for a message
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _acquired(lock: FileLock, file: Path, *, wait: bool) -> bool:
    with write_errors(file):
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
    return True


def _holder(file: Path) -> str:
    try:
        return file.read_text() or "another process"
    except OSError:
        return "another process"
