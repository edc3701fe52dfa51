"""A process that is killed at its n-th change of a file, as kill -9 or a loss of power would.

The process is a fork of the test's own, so that nothing is imported again. It ends without any
``finally``, and where it dies within a write, half of the content has been written.
"""

import builtins
import io
import os
import sys
import traceback
import warnings

import torch

DIED, FAILED = 77, 70
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = (
    "fsync", "ftruncate", "link", "mkdir", "remove", "rename", "replace", "rmdir", "symlink",
    "truncate", "unlink",
)  # fmt: skip


class _Clock:
    """Counts changes of files, and ends the process at one of them."""

    def __init__(self, at):
        self._left = at

    def tick(self, half=None):
        self._left -= 1
        if self._left == 0:
            if half is not None:
                half()
            os._exit(DIED)


def survives(action, at):
    """Whether the action ended before its ``at``-th change; otherwise it was killed there.

    Raises:
        AssertionError: It failed otherwise; its traceback is on standard error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
        child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            _count_with(_Clock(at))
            action()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(FAILED)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, DIED), f"killed at change {at}, it ended with {code}"
    return code == 0


def _count_with(clock):
    for name in _CHANGES:
        setattr(os, name, _counted(clock, getattr(os, name)))
    real_open, real_os_open, real_write = io.open, os.open, os.write

    def os_open(path, flags, *rest, **more):
        if flags & _WRITING:
            clock.tick()
        return real_os_open(path, flags, *rest, **more)

    def write(descriptor, data):
        clock.tick(lambda: real_write(descriptor, data[: len(data) // 2]))
        return real_write(descriptor, data)

    def opened(file, mode="r", *rest, **more):
        if not set(mode) & set("wax+"):
            return real_open(file, mode, *rest, **more)
        if not isinstance(file, int):
            clock.tick()
        return _File(clock, real_open(file, mode, *rest, **more))

    class FileIO(io.FileIO):
        def write(self, data):
            whole = super().write
            clock.tick(lambda: whole(data[: len(data) // 2]))
            return whole(data)

    os.open, os.write, os.fdopen = os_open, write, opened
    io.open = builtins.open = opened
    io.FileIO = FileIO


def _counted(clock, change):
    def counted(*arguments, **more):
        clock.tick()
        return change(*arguments, **more)

    return counted


class _File:
    """A file whose writes are counted, and torn where the process dies in one."""

    def __init__(self, clock, file):
        self._clock, self._file = clock, file

    def write(self, data):
        def half():
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._clock.tick(half)
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()
