import contextlib
import hashlib
import json
import os

import pytest

from deepnrc.errors import FileError
from deepnrc.storage.documents import (
    document_bytes,
    read_document,
    read_labels,
    write_document,
)

RECORD = {"name": "größe → λ", "values": [0.1, 1e-300, 5e-324, -0.0, None], "nested": {"a": 1}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.json"


def test_round_trip_keeps_every_digit(path):
    assert write_document(path, "thing", 3, RECORD) == path
    read = read_document(path, {"other": 1, "thing": 3})
    assert read == RECORD
    assert repr(read) == repr(RECORD)  # −0.0 as well
    assert read_document(str(path), {"thing": 7}) == RECORD  # older files stay readable


def test_the_file_is_plain_json_of_a_stated_kind(path):
    write_document(path, "thing", 3, RECORD)
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    digest = document.pop("sha256")
    assert document == {"format": "deepnrc", "kind": "thing", "version": 3, "record": RECORD}
    rest = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    assert digest == hashlib.sha256(rest.encode()).hexdigest()
    assert text.endswith("\n")
    assert "größe" in text


def test_writing_replaces_whole_and_leaves_nothing_else(path):
    write_document(path, "thing", 1, {"a": list(range(1000))})
    write_document(path, "thing", 1, {"a": 2})
    assert read_document(path, {"thing": 1}) == {"a": 2}
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_no_temporary_one(path, monkeypatch, error):
    write_document(path, "thing", 1, {"a": 1})

    def fail(handle):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    expected = FileError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as raised:
        write_document(path, "thing", 1, {"a": 2})
    if expected is FileError:
        assert str(raised.value).startswith(f"cannot write '{path}': the disk or quota is full (No")
    assert read_document(path, {"thing": 1}) == {"a": 1}
    assert os.listdir(path.parent) == [path.name]


def test_what_json_cannot_hold_is_refused_before_a_file_appears(path):
    for payload, error in (({"a": float("nan")}, ValueError), ({"a": object()}, TypeError)):
        with pytest.raises(error):
            write_document(path, "thing", 1, payload)
    assert os.listdir(path.parent) == []


def test_a_missing_folder(tmp_path):
    path = tmp_path / "none" / "record.json"
    with pytest.raises(FileError, match=f"cannot write '{path}': No such file or directory"):
        write_document(path, "thing", 1, {})
    assert not path.parent.exists()


def test_a_target_that_is_a_folder(path):
    path.mkdir()
    with pytest.raises(FileError, match=f"cannot write '{path}': Is a directory"):
        write_document(path, "thing", 1, {})
    assert os.listdir(path.parent) == [path.name]
    with pytest.raises(FileError, match=f"cannot read '{path}': Is a directory"):
        read_document(path, {"thing": 1})


def test_a_folder_that_is_a_file(path):
    path.write_text("")
    with pytest.raises(FileError, match=r"cannot write '.*': Not a directory"):
        write_document(path / "record.json", "thing", 1, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(path):
    path.parent.chmod(0o500)
    with pytest.raises(FileError, match=f"cannot write '{path}': Permission denied"):
        write_document(path, "thing", 1, {})


def test_a_missing_file(path):
    with pytest.raises(FileError, match=f"cannot read '{path}': No such file or directory"):
        read_document(path, {"thing": 1})


def test_a_file_cut_off_anywhere_is_never_read(path):
    write_document(path, "thing", 1, RECORD)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # the last byte is the final newline
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match=f"'{path}' is not complete JSON .*: it was cut off"):
            read_document(path, {"thing": 1})


def document(**changes):
    whole = {"format": "deepnrc", "kind": "thing", "version": 1, "record": {}}
    return json.dumps({**whole, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "was not written by deepnrc$"),
        ("{}", "was not written by deepnrc$"),
        (document(format="other"), "was not written by deepnrc$"),
        (document(kind="diagnosis"), r"holds a 'diagnosis'; expected one of \['thing'\]"),
        (document(kind=["thing"]), r"holds a \['thing'\]; expected one of \['thing'\]"),
        (document(kind=None), r"holds a None; expected one of \['thing'\]"),
        (
            document(version=2),
            "is a thing of version 2; this deepnrc reads up to 1: update deepnrc",
        ),
        (document(version="1"), "is a thing of version '1'; this deepnrc reads up to 1: update"),
        (document(version=True), "is a thing of version True; this deepnrc reads up to 1: update"),
        (document(version=-3), "is a thing of version -3: it was altered"),
        (document(shb256="0"), "has the unknown entry 'shb256': update deepnrc, or it was altered"),
        (
            document(sha256="0"),
            "was altered after it was written: its SHA-256 differs from the one",
        ),
        (document(sha256=None), "was altered after it was written: its SHA-256 differs from the"),
        ("[" * 100000, "is nested more than 64 deep: it was altered"),
        (
            document(record={"a": [[]] * 40, "b": eval("[" * 64 + "]" * 64)}),
            "is nested more than 64",
        ),
        (
            document(record={"a": float("nan")}),
            r"is not complete JSON \(NaN is not a number of JSON",
        ),
        ('{"a": 1, "a": 2}', r"is not complete JSON \('a' stands in it twice\)"),
        ("1" * 5000, "is not complete JSON .Exceeds the limit"),
        (document(record=None), "holds no record: it was altered"),
        (document(record=[1]), "holds no record: it was altered"),
    ],
)
def test_other_documents_say_what_is_wrong(path, text, message):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=f"'{path}' " + message):
        read_document(path, {"thing": 1})


def test_bytes_that_are_no_text(path):
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match=f"'{path}' is not complete JSON"):
        read_document(path, {"thing": 1})


def test_a_change_of_any_byte_is_noticed_or_changes_nothing(path):
    write_document(path, "thing", 1, RECORD)
    whole = path.read_bytes()
    harmless = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        with contextlib.suppress(FileError):
            assert repr(read_document(path, {"thing": 1})) == repr(RECORD)
            harmless += 1
    assert harmless < 100  # spaces and line breaks


def test_a_wrong_value_is_named_before_the_digest(path):
    def check(record):
        if record["a"] != 1:
            raise FileError("a must be 1")

    write_document(path, "thing", 1, {"a": 1})
    assert read_document(path, {"thing": 1}, check=check) == {"a": 1}
    path.write_text(path.read_text().replace('"a": 1', '"a": 7'))
    with pytest.raises(FileError, match=r"^a must be 1$"):
        read_document(path, {"thing": 1}, check=check)


def test_a_document_of_a_run_says_which(path):
    path.write_bytes(document_bytes("thing", 1, {"a": 1}, run="0a", epoch=3, part="test"))
    assert read_document(path, {"thing": 1}) == {"a": 1}
    assert read_labels(path) == {"run": "0a", "epoch": 3, "part": "test"}
    path.write_bytes(path.read_bytes().replace(b'"epoch": 3', b'"epoch": 2'))
    with pytest.raises(FileError, match="was altered after it was written"):
        read_document(path, {"thing": 1})


def test_a_document_of_an_older_version_has_no_digest(path):
    path.write_text(document(record={"a": 1}))
    assert read_document(path, {"thing": 1}) == {"a": 1}
    assert read_labels(path) == {}
