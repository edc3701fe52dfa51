"""Seeded random generators for the tests; the global ones are restored after each test."""

import os
import sys

# Set before NumPy is imported: two thread pools on two cores slow each other down a hundredfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from hypothesis import settings

import helpers

torch.set_num_threads(1)

# Hypothesis draws the same examples on every machine and in every run, and writes nothing to disk.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def rng():
    """NumPy's generator with seed 0."""
    return np.random.default_rng(0)


@pytest.fixture
def generator():
    """Torch's CPU generator with seed 0, for ``torch.randn(…, generator=generator)``."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _global_generators_restored():
    """Keep what a test draws globally, as every nn.Linear does, from changing other tests."""
    kept = torch.get_rng_state(), np.random.get_state()
    yield
    torch.set_rng_state(kept[0])
    np.random.set_state(kept[1])


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts a module on the path as pip would: with a dist-info folder that has entry points."""
    names = []

    def install(name, source, entry_points):
        site = tmp_path / "site-packages"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(site)
        names.append(name)
        return site

    yield install
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def file_size_limit():
    """Context manager in which no file can grow beyond some bytes, as on a full disk."""
    return helpers.file_size_limit
