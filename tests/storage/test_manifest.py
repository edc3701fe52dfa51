"""Manifests: a folder is as it was written, or the file that differs is named."""

import hashlib
import json
import os

import pytest

from deepnrc.errors import FileError
from deepnrc.storage.manifest import check_manifest, file_sha256, write_manifest


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "a").write_bytes(b"content")
    (folder / "b").write_bytes(b"")
    write_manifest(folder)
    return folder


def test_a_folder_as_it_was_written(folder):
    manifest = (folder / "manifest.json").read_bytes()
    assert check_manifest(folder, advice="") == hashlib.sha256(manifest).hexdigest()
    assert json.loads(manifest) == {
        "layout": "deepnrc-folder-1",
        "files": {
            "b": hashlib.sha256(b"").hexdigest(),
            "below/a": hashlib.sha256(b"content").hexdigest(),
        },
    }


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "below/a").write_bytes(b"?"), "below/a' was altered after .*; do this"),
        (lambda f: os.truncate(f / "below/a", 3), "below/a' was altered after .*; do this"),
        (lambda f: (f / "below/a").unlink(), "below/a' is missing since .*: do this"),
        (lambda f: (f / "more").touch(), "more' is new since the folder was written: do this"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json' cannot be read .*: do this"),
        (lambda f: (f / "manifest.json").write_text("{}"), "cannot be read .*KeyError"),
        (lambda f: (f / "manifest.json").write_text('{"files": 3}'), "cannot be read .*TypeE"),
        (lambda f: os.truncate(f / "manifest.json", 50), "cannot be read .*is not complete JSON"),
        (
            lambda f: (f / "manifest.json").write_text("[" * 9999),
            "nested more than 64 deep.*: do t",
        ),
    ],
)
def test_what_differs_is_named(folder, harm, message):
    harm(folder)
    with pytest.raises(FileError, match=message):
        check_manifest(folder, advice="do this")


def test_a_folder_of_another_layout(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"layout": "deepnrc-folder-9"}))
    message = "set' has the layout 'deepnrc-folder-9'; expected 'deepnrc-folder-1': do this"
    with pytest.raises(FileError, match=message):
        check_manifest(folder, advice="do this")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match=r"cannot read '.*gone': No such file"):
        file_sha256(tmp_path / "gone")
