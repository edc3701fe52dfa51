"""Writing: the whole new file or the old one, and what is said when neither can be."""

import errno
import os

import pytest

from deepnrc.errors import FileError
from deepnrc.storage.atomic import remove_drafts, write_failure, write_whole


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_replaces_the_old_and_leaves_no_draft(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"old", b"new content"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_keeps_the_old_and_leaves_no_draft(tmp_path, file_size_limit):
    path = tmp_path / "a.bin"
    write_whole(path, b"old")
    message = (
        r"cannot write '.*a.bin': the disk or quota is full \(File too large\); what was written "
        r"before stays readable: free some space and give the same command again to go on"
    )
    with file_size_limit(10), pytest.raises(FileError, match=message):
        write_whole(path, b"x" * 1000)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    """Until the rename the old content stands, and the new one is already on the disk."""
    path = tmp_path / "a.bin"
    write_whole(path, b"old")
    order = []
    real_sync, real_replace = os.fsync, type(path).replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), real_sync(fd)))

    def replace(draft, target):
        order.append(("rename", path.read_bytes(), draft.read_bytes()))
        return real_replace(draft, target)

    monkeypatch.setattr(type(path), "replace", replace)
    write_whole(path, b"new")
    assert order == ["sync", ("rename", b"old", b"new"), "sync"]  # content, name, folder


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot write '.*absent/a.bin': No such file"):
        write_whole(tmp_path / "absent" / "a.bin", b"")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_is_said(tmp_path, code):
    assert "the disk or quota is full" in str(write_failure(tmp_path, OSError(code, "text")))


def test_other_reasons_are_passed_on(tmp_path):
    text = str(write_failure(tmp_path / "x", OSError(errno.EACCES, "Permission denied")))
    assert text == f"cannot write '{tmp_path / 'x'}': Permission denied"


def test_only_drafts_are_removed(tmp_path):
    for name in (".a.json.tmp", ".epoch-000001.json.x7k2", "epoch-000001.json", ".lock", "b.tmp"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path)
    assert names(tmp_path) == [".lock", "b.tmp", "epoch-000001.json"]
