from pathlib import Path

import pytest

from deepnrc.data.access import sizes
from deepnrc.errors import FileError


def test_the_bound_is_half_of_the_memory():
    assert 2**26 < sizes.largest() < 2**45


def test_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.delattr("os.sysconf")
    assert sizes.largest() == 8 * 2**30


def test_more_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(sizes, "largest", lambda: 1000)
    sizes.check_size(Path("x.npz"), "array 'x'", 1000)
    message = r"^x\.npz: array 'x' claims 1,001 bytes; at most 1,000, half of this machine's memory"
    with pytest.raises(FileError, match=message):
        sizes.check_size(Path("x.npz"), "array 'x'", 1001)
