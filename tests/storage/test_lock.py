"""Locks: one process at a time, the holder named, nothing left behind by one that was killed."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from deepnrc.errors import DeepNRCError, DeepNRCWarning, FileError
from deepnrc.storage.lock import file_lock

HOLDER = """
import sys, time
from pathlib import Path
from deepnrc.storage.lock import file_lock
with file_lock(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


class BusyError(Exception):
    pass


def refuse(holder):
    raise BusyError(holder)


def test_another_process_is_refused_by_number_and_a_killed_one_leaves_no_lock(tmp_path):
    path = tmp_path / "new" / "folder" / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        for _ in range(2):  # a refusal leaves the holder's name in place
            with (
                pytest.raises(
                    BusyError, match=f"^process {process.pid} on {socket.gethostname()}$"
                ),
                file_lock(path, refuse),
            ):
                pytest.fail("two at once")
        process.kill()
        process.wait()
    with file_lock(path, refuse), pytest.raises(BusyError, match=f"process {os.getpid()} on"):
        file_lock(path, refuse).__enter__()


def test_it_is_given_back(tmp_path):
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path / ".lock", refuse):
        raise ZeroDivisionError
    with file_lock(tmp_path / ".lock", refuse):
        pass
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_it_is_waited_for_where_that_is_wanted(tmp_path):
    held, told, order = threading.Event(), threading.Event(), []

    def first():
        with file_lock(tmp_path / ".lock", refuse):
            held.set()
            told.wait(60)
            time.sleep(0.3)  # a second that does not wait begins now
            order.append("first ends")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(60)
    with file_lock(tmp_path / ".lock", lambda holder: (order.append(holder), told.set())):
        order.append("second begins")
    thread.join()
    assert order[0].startswith(f"process {os.getpid()} on")
    assert order[1:] == ["first ends", "second begins"]


def test_a_holder_that_cannot_be_read_is_another_process(tmp_path):
    with file_lock(tmp_path / ".lock", refuse):
        for harm in (lambda file: file.write_text(""), lambda file: file.unlink()):
            harm(tmp_path / ".lock.holder")
            with pytest.raises(BusyError, match=r"^another process$"):
                file_lock(tmp_path / ".lock", refuse).__enter__()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(FileError, match=r"cannot write '.*/file/run': Not a directory"),
        file_lock(tmp_path / "file" / "run" / ".lock", refuse),
    ):
        pytest.fail("held")


def test_a_lock_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / ".lock").mkdir()
    with (
        pytest.raises(FileError, match=r"cannot write '.*/\.lock': Is a directory"),
        file_lock(tmp_path / ".lock", refuse),
    ):
        pytest.fail("held")


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_no_other_process(tmp_path, monkeypatch, code):
    def fail(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", fail)
    message = rf"offers no locks \({os.strerror(code)}\): make sure that no other process writes to"
    with pytest.warns(DeepNRCWarning, match=message), file_lock(tmp_path / ".lock", refuse) as lock:
        lock.check()


def test_another_error_of_the_lock_is_named(tmp_path, monkeypatch):
    def fail(descriptor, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with (
        pytest.raises(FileError, match=r"cannot write '.*\.lock': Input/output error"),
        file_lock(tmp_path / ".lock", refuse),
    ):
        pytest.fail("held")


def test_a_lock_belongs_to_the_folder_and_not_to_its_path(tmp_path):
    run = tmp_path / "run"
    with file_lock(run / ".lock", refuse) as first:
        first.check()
        run.rename(tmp_path / "moved")
        with pytest.raises(DeepNRCError, match=r"run' was moved, removed or replaced while this"):
            first.check()
        with file_lock(run / ".lock", refuse) as second:
            second.check()
            with pytest.raises(DeepNRCError, match="stops here, before it mixes with another"):
                first.check()
            with pytest.raises(BusyError):  # the moved folder stays locked
                file_lock(tmp_path / "moved" / ".lock", refuse).__enter__()


def test_links_in_place_of_its_files_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("thesis")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock.holder").symlink_to(outside)
    with file_lock(tmp_path / "run" / ".lock", refuse):
        assert outside.read_text() == "thesis"
    (tmp_path / "run" / ".lock").unlink()
    (tmp_path / "run" / ".lock").symlink_to(outside)
    with (
        pytest.raises(FileError, match=r"\.lock' is a symbolic link, which may lead anywhere"),
        file_lock(tmp_path / "run" / ".lock", refuse),
    ):
        pytest.fail("held")
    assert outside.read_text() == "thesis"
