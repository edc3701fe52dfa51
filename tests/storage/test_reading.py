"""Reading: what is missing, special, too large or too deep is named, and nothing is waited for."""

import os
from pathlib import Path

import pytest

from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.reading import parse_json, parse_toml, read_bounded, read_json


def test_a_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b'{"x": [1, null]}')
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_bounded(tmp_path / "link") == b'{"x": [1, null]}'
    assert read_json(tmp_path / "link") == {"x": [1, None]}


def test_what_cannot_be_read_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "large").write_bytes(b"x" * 101)
    for name, message in (
        ("absent", "cannot read '.*absent': No such file or directory"),
        (".", "cannot read '.*': Is a directory"),
        ("pipe", "pipe' is not a plain file"),
        ("large", "large' has 101 bytes; expected at most 100: it is something else, or was alt"),
        ("a\x1b[2J", r"cannot read '.*/a\\x1b\[2J': No such file"),
    ):
        with pytest.raises(FileError, match=message):
            read_bounded(tmp_path / name, limit=100)
    with pytest.raises((FileError, RuntimeError), match="loop"):
        read_bounded(tmp_path / "loop")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"",
            r"'f' line 3 is not complete JSON \(Expecting value: .*\): it was cut off or altered",
        ),
        (b"\xff", "'f' line 3 is not complete JSON"),
        (b"[Infinity]", r"JSON \(Infinity is not a number of JSON\)"),
        (b'{"\xc2\x9b": 1, "\xc2\x9b": 1}', r"JSON \('\\x9b' stands in it twice\)"),
        (b"[" * 65 + b"]" * 65, "'f' line 3 is nested more than 64 deep: it was altered"),
        (b'{"a":' * 99999, "'f' line 3 is nested more than 64 deep: it was altered"),
    ],
)
def test_what_is_no_json_is_named(tmp_path, text, message):
    with pytest.raises(FileError, match=message):
        parse_json(text, Path("f"), where="line 3")


def test_the_deepest(tmp_path):
    assert parse_json(b"[" * 64 + b"]" * 64, Path("f")) == eval("[" * 64 + "]" * 64)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 9999, "a = " + "[" * 70 + "]" * 70, "[" + ".".join("a" * 70) + "]"]
)
def test_toml_that_is_nested_too_deep(text):
    with pytest.raises(
        ArgumentError, match=r"x\.toml must be nested at most 64 deep; got more: it"
    ):
        parse_toml(text, source="x.toml")


def test_toml():
    assert parse_toml("a = [[1]]\nb.c = 2", source="x") == {"a": [[1]], "b": {"c": 2}}
    with pytest.raises(ArgumentError, match=r"x\.toml is not valid TOML: Invalid value"):
        parse_toml("a = ", source="x.toml")
