"""A user's folder: what it holds is there while it is included, and only then."""

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper.catalog import all_claims, claims, figures
from deepnrc.experiments.paper.group import groups
from deepnrc.experiments.paper.include import included

GROUP = 'title = "Own"\nexperiment = "synthetic"\n'
FIGURE = """
from dataclasses import dataclass
from deepnrc.experiments.paper import Claim, Figure, Outcome

@dataclass
class Helper:
    title: "str"

FIGURE = Figure(name="own", title=Helper("t").title, groups=("own-runs",), content=list)
CLAIM = Claim("Own.", ("own-runs",), lambda groups: Outcome([], "runs"))
"""


def known():
    return figures().names(), claims().names(), groups().names()


def test_a_folder_is_there_while_it_is_included(tmp_path):
    (tmp_path / "own.py").write_text(FIGURE)
    (tmp_path / "own-runs.toml").write_text(GROUP)
    (tmp_path / "notes.txt").write_text("not read")
    before = known()
    with included(tmp_path):
        assert figures().find("own").groups == ("own-runs",)
        assert all_claims()[-1].text == "Own."
        assert groups().find("own-runs").title == "Own"
    assert known() == before


def test_without_a_folder_nothing_is_added():
    before = known()
    with included(None):
        assert known() == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "include must be a folder with .* found none in '.*own'"),
        ({"helper.py": "x = 1"}, "include must be a folder with .* found none in '.*own'"),
        (
            {"own.py": "1 / 0"},
            r"own.py' cannot be imported \(ZeroDivisionError: division by zero\)",
        ),
        ({"own.py": "FIGURE = 3"}, "expected a Figure, got int"),
        ({"own.py": "CLAIM = 3"}, "expected a Claim, got int"),
        ({"hopper.toml": GROUP}, "there is a group of runs 'hopper' already: choose another name"),
        ({"own.toml": "title = 3"}, "own.toml' is not a group of runs: "),
        ({"a.toml": GROUP, "b.py": "FIGURE = 3"}, "expected a Figure"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_and_nothing_stays(tmp_path, files, message):
    folder = tmp_path / "own"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    before = known()
    with pytest.raises(ArgumentError, match=message), included(folder):
        pass
    assert known() == before


def test_a_folder_that_is_not_there(tmp_path):
    with (
        pytest.raises(ArgumentError, match=r"found none in '.*absent'"),
        included(tmp_path / "absent"),
    ):
        pass
