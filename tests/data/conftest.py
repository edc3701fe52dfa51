import sys
from pathlib import Path

import pytest

from deepnrc.data import registry


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
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parent)])
    for name in ("toy", "toys"):
        monkeypatch.setitem(registry._MODULES, name, "toy_source")
    yield log
    sys.modules.pop("toy_source", None)
