import dataclasses

import pytest

from data.toy_source import SOURCES
from deepnrc.data import find_source, register, unregister


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "data"


@pytest.fixture
def toy_log(tmp_path, monkeypatch, home):
    """The data sets of toy_source.py by name; the file has a line for each time one was built."""
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("TOY_LOG", str(log))
    for source in SOURCES:
        register(source)
    yield log
    for source in SOURCES:
        unregister(source.name)


@pytest.fixture
def change_toy(toy_log):
    """Register the toy set with other fields."""

    def change(**fields):
        source = dataclasses.replace(find_source("toy"), **fields)
        unregister("toy")
        return register(source)

    return change
