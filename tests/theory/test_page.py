"""The examples on the theory's page print what it says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"


def test_the_examples_of_the_page():
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert found.attempted >= 20
    assert found.failed == 0


def test_its_figures_exist():
    names = [
        line.split("(")[1].rstrip(")") for line in PAGE.read_text().splitlines() if "](im" in line
    ]
    assert len(names) == 5
    assert all((PAGE.parent / name).is_file() for name in names)
