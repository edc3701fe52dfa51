"""A disk that is full, for one process, and small runs."""

import contextlib
import resource
import signal

import pytest


@pytest.fixture
def file_size_limit():
    """Files cannot grow beyond so many bytes: to a program the same as a full disk."""

    @contextlib.contextmanager
    def limit(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limit
