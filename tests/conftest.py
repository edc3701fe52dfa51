"""Random numbers come from these fixtures; the global generators are left as a test found them."""

import contextlib
import os
import resource
import signal

# Before NumPy is imported: two thread pools on two cores slow each other down a hundredfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# The same examples on every machine and in every run, and nothing written to disk.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def rng():
    """NumPy's generator at seed 0."""
    return np.random.default_rng(0)


@pytest.fixture
def generator():
    """Torch's CPU generator at seed 0, for ``torch.randn(…, generator=generator)``."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _global_generators_restored():
    """What a test draws globally, as every nn.Linear does, shifts no other test's numbers."""
    kept = torch.get_rng_state(), np.random.get_state()
    yield
    torch.set_rng_state(kept[0])
    np.random.set_state(kept[1])


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
