"""Members of a sweep in a worker: whatever goes wrong comes back as text."""

from deepnrc.training.sweeps.worker import run_members
from sweeping import SMALL


def test_an_error_of_any_kind_is_told_by_its_type(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").mkdir()  # not a file: what comes is no error of ours
    text = SMALL.replace('name = "synthetic"', 'name = "synthetic"\nunknown = 3')
    [error] = run_members([str(tmp_path / "a")], [text])
    assert "unknown key 'data.unknown'" in error
    assert run_members([str(tmp_path / "run")], [SMALL]) != [""]
