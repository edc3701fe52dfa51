"""Atomic writing: the new content or the old one, and what is said when neither can be written."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deepnrc.errors import FileError
from deepnrc.storage.atomic import (
    atomic_draft,
    draft_path,
    make_folder,
    open_plain,
    remove_drafts,
    replace_by_draft,
    replace_file,
    sync_file,
    sync_folder,
    write_atomically,
    write_errors,
)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_replaces_the_old_and_leaves_no_draft(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"old", b"new content"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_keeps_the_old_and_leaves_no_draft(tmp_path, file_size_limit):
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    message = (
        r"cannot write '.*/a.bin': the disk or quota is full \(File too large\); what was written "
        r"before stays readable: free some space and give the same command again to resume"
    )
    with file_size_limit(10), pytest.raises(FileError, match=message):
        write_atomically(path, b"x" * 1000)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    """Until the rename the old content stands, and the new one is already on the disk."""
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    order = []
    real_sync, real_replace = os.fsync, type(path).replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), real_sync(fd)))

    def replace(draft, target):
        order.append(("rename", path.read_bytes(), draft.read_bytes()))
        return real_replace(draft, target)

    monkeypatch.setattr(type(path), "replace", replace)
    write_atomically(path, b"new")
    assert order == ["sync", ("rename", b"old", b"new"), "sync"]  # content, name, folder


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_is_as_the_user_has_set_it(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a"
    with atomic_draft(path) as first, atomic_draft(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # its context ended last
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [OSError("as it is"), ZeroDivisionError(), KeyboardInterrupt()])
def test_a_body_that_fails_keeps_the_old_and_its_error_is_passed_on(tmp_path, error):
    path = tmp_path / "a"
    path.write_text("old")

    def write():
        with atomic_draft(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(type(error)) as raised:
        write()
    assert raised.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_folder_replaces_a_folder(tmp_path):
    path = tmp_path / "set"
    for content in ("old", "new"):
        with atomic_draft(path) as draft:
            draft.mkdir()
            (draft / content).touch()
        assert names(path) == [content]
    assert names(tmp_path) == ["set"]


def test_a_draft_that_was_not_written_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot write '.*/set': No such file"):
        replace_by_draft(tmp_path / "set", draft_path(tmp_path / "set"))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot write '.*absent/a.bin': No such file"):
        write_atomically(tmp_path / "absent" / "a.bin", b"")


def test_folders_are_made(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"cannot write '.*/file/new': Not a directory"):
        make_folder(tmp_path / "file" / "new")


def message(error, path=Path("x")):
    with pytest.raises(FileError) as raised, write_errors(path):
        raise error
    return str(raised.value)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told(code):
    assert "the disk or quota is full (text)" in message(OSError(code, "text"))


def test_other_reasons_are_passed_on(tmp_path):
    expected = f"cannot write '{tmp_path}': Permission denied"
    assert message(OSError(errno.EACCES, "Permission denied"), tmp_path) == expected
    assert message(OSError("why"), tmp_path) == f"cannot write '{tmp_path}': why"


def test_a_message_that_names_its_file_stays_as_it_is():
    assert message(FileError("cannot write 'y': why")) == "cannot write 'y': why"


def test_only_drafts_are_removed(tmp_path):
    kept = [".lock", "a.json", ".a.json.draft", ".a.json.0123456.draft", "a.01234567.draft"]
    older = ".epoch-000002.safetensors.tmp"  # of version 0.1
    for name in (*kept, ".a.json.01234567.draft", ".epoch-000001.json.deadbeef.draft", older):
        (tmp_path / name).touch()
    (tmp_path / ".set.0a1b2c3d.draft").mkdir()
    (tmp_path / ".set.0a1b2c3d.draft" / "file").touch()
    draft_path(tmp_path / "any name.x").touch()
    remove_drafts(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_drafts_of_one_name_are_removed(tmp_path):
    """Others may be in use: ``a1`` and ``a.bin`` are files of their own."""
    kept = [".a.bin.01234567.draft", ".a1.01234567.draft", ".b.01234567.draft"]
    for name in (*kept, ".a.01234567.draft", "..a.01234567.draft.89abcdef.draft"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path, "a")
    assert names(tmp_path) == kept


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "record.json"
    target.write_bytes(b"old")
    link = tmp_path / "link.json"
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_is_written_to_and_not_replaced(tmp_path):
    code = (
        "from pathlib import Path; from deepnrc.storage.atomic import write_atomically;"
        "print('before', flush=True); write_atomically(Path('/dev/stdout'), b'content\\n');"
        "print('after')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"before\ncontent\nafter\n"
    assert Path("/dev/stdout").is_symlink()


def test_a_full_device_is_told_and_stays_a_device():
    with pytest.raises(FileError, match="cannot write '/dev/full': the disk or quota is full"):
        write_atomically(Path("/dev/full"), b"content")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_follows_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


def test_a_draft_that_is_a_link_is_removed_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "thesis.tex").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".a.01234567.draft").symlink_to(tmp_path / "outside")
    remove_drafts(tmp_path / "run")
    assert names(tmp_path / "run") == []
    assert names(tmp_path / "outside") == ["thesis.tex"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_that_forces_nothing_to_the_disk_is_no_hindrance(tmp_path, monkeypatch, code):
    def fail(descriptor):
        raise OSError(code, "not supported")

    monkeypatch.setattr(os, "fsync", fail)
    write_atomically(tmp_path / "a", b"content")
    sync_folder(tmp_path)
    with (tmp_path / "a").open("rb") as file:
        sync_file(file.fileno())
    assert (tmp_path / "a").read_bytes() == b"content"


def test_an_error_of_the_disk_is_passed_on(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    for act in (lambda: write_atomically(tmp_path / "a", b""), lambda: sync_folder(tmp_path)):
        with pytest.raises(FileError, match=r"cannot write '.*': Input/output error"):
            act()
    with pytest.raises(OSError, match="Input/output"):
        sync_file(0)


def test_several_names_are_forced_to_the_disk_at_once(tmp_path, monkeypatch):
    synced, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    replace_file(tmp_path / "a", b"", durable=False)
    assert str(tmp_path) not in synced
    sync_folder(tmp_path)
    assert synced[-1] == str(tmp_path)
    assert real is not os.fsync


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path):
    (tmp_path / "outside").write_text("thesis")
    (tmp_path / "log").symlink_to(tmp_path / "outside")
    with pytest.raises(FileError, match=r"log' is a symbolic link, which may lead anywhere: repl"):
        open_plain(tmp_path / "log", os.O_WRONLY | os.O_TRUNC)
    assert (tmp_path / "outside").read_text() == "thesis"


def test_in_a_received_folder_a_link_is_replaced(tmp_path):
    (tmp_path / "outside").write_text("thesis")
    (tmp_path / "record").symlink_to(tmp_path / "outside")
    replace_file(tmp_path / "record", b"new")
    assert not (tmp_path / "record").is_symlink()
    assert (tmp_path / "outside").read_text() == "thesis"


def test_a_pipe_in_place_of_a_file_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "log")
    with pytest.raises(FileError, match=r"log' is not a plain file: remove it or choose another"):
        open_plain(tmp_path / "log", os.O_RDONLY)


def test_a_link_within_a_received_folder_is_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "outside")
    for folder in ("checkpoints", "checkpoints/new"):
        with pytest.raises(FileError, match=r"run/checkpoints' is a symbolic link, which may lead"):
            make_folder(tmp_path / "run" / folder, within=tmp_path / "run")
    assert names(tmp_path / "outside") == []
    (tmp_path / "alias").symlink_to(tmp_path / "run")  # the user's own link to the folder itself
    make_folder(tmp_path / "alias" / "measurements", within=tmp_path / "alias")


def test_folders_that_lead_to_one_that_cannot_be_made_are_not_left_behind(tmp_path):
    with pytest.raises(FileError, match="File name too long"):
        make_folder(tmp_path / "new" / "deeper" / ("x" * 300))
    assert names(tmp_path) == []
