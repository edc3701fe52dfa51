"""Groups of runs: found by their files, or a message that says what is wrong."""

import re

import pytest

from deepnrc.errors import ArgumentError
from deepnrc.experiments.paper.group import check_scale, groups, read_group


def test_groups_are_the_files_of_the_folder():
    assert len(groups().names()) == 14
    assert groups().names() == tuple(sorted(groups().names()))
    assert groups().find("hopper").title == "Hopper, 8 × 256"


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="no group of runs 'hoper': did you mean 'hopper'"):
        groups().find("hoper")
    with pytest.raises(ArgumentError, match="scale must be smoke, cpu or full; got 'big'"):
        check_scale("big")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "cannot be read as TOML: Invalid value"),
        ("title = 't'", "is not a group of runs: 'experiment': Field required"),
        ("title = 't'\nexperiment = 'hopper'\nsmoke.seed = 3", "'smoke.seed': Extra inputs"),
    ],
)
def test_a_file_that_is_no_group(tmp_path, text, message):
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(ArgumentError, match=f"'{re.escape(str(file))}' .*{re.escape(message)}"):
        read_group(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ArgumentError, match=r"own.toml' cannot be read as TOML: .*No such file"):
        read_group(tmp_path / "own.toml")
