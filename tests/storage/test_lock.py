"""Locks: one process at a time, the holder named, nothing left behind by one that was killed."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from deepnrc.errors import FileError
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
