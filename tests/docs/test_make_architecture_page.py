"""The page of architectures: what the script writes, and that the page in docs has every case."""

import importlib.util
from pathlib import Path

import pytest

from architectures.case import Case, Refused
from architectures.families import all_cases

PATH = Path(__file__).parents[2] / "docs" / "make_architecture_page.py"
spec = importlib.util.spec_from_file_location("make_architecture_page", PATH)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def refusal():
    def call():
        raise ValueError("no | here")

    return Refused(call, ValueError, ("no",))


def test_a_page_of_some_cases(tmp_path, monkeypatch, capsys):
    some = {name: all_cases()[name] for name in ("MLP", "Collapsed MLP")}
    some["none"] = Case("none", "Refused", "a refusal", refusal)
    some["later"] = Case("later", "Refused", "what is open", lambda: 1 / 0, waits_for="item 7")
    monkeypatch.setattr(script, "all_cases", lambda: some)
    script.main(tmp_path / "page.md")
    assert capsys.readouterr().out == f"Written: {tmp_path / 'page.md'}\n"
    text = (tmp_path / "page.md").read_text()
    assert "2 cases are right (24 values, the largest deviation " in text
    assert ", 1 are refused, 1 are open." in text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert "| right, not collapsed | 12 | " in lines[2]
    assert "| right, from `fc2` | 12 | " in lines[3]
    assert lines[-2:] == [
        "| none | a refusal | refused: no \\| here |  |  |",
        "| later | what is open | open: item 7 |  |  |",
    ]


def test_a_case_that_is_wrong_stops_the_page(tmp_path, monkeypatch):
    wrong = Case("wrong", "", "", lambda: Refused(lambda: "a table", ValueError, ()))
    monkeypatch.setattr(script, "all_cases", lambda: {"wrong": wrong})
    with pytest.raises(AssertionError, match="case 'wrong' is not right: must be refused; gave"):
        script.main(tmp_path / "page.md")
    assert list(tmp_path.iterdir()) == []


def test_the_page_in_docs_has_every_case():
    text = script.PAGE.read_text()
    missing = [name for name in all_cases() if f"| {name} |" not in text]
    assert not missing, "write the page anew: python docs/make_architecture_page.py"
