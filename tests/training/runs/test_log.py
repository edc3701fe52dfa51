"""The log: complete lines or none, cut where a run goes on, readable after a stop anywhere."""

import json

import pytest

from deepnrc.errors import FileError
from deepnrc.training.runs.log import RunLog, read_log


def written(path, count=3):
    with RunLog(path, 0) as log:
        for epoch in range(1, count + 1):
            log.append({"epoch": epoch, "loss": 0.1 * epoch, "name": "ü"})
        log.sync()
    return path


def test_lines_read_back_in_order(tmp_path):
    path = written(tmp_path / "log.jsonl")
    assert [entry["epoch"] for entry in read_log(path)] == [1, 2, 3]
    assert read_log(path)[2] == {"epoch": 3, "loss": 0.1 * 3, "name": "ü"}


@pytest.mark.parametrize("tail", ["", '{"epoch": 4, "lo', "x", '{"epoch": 4}'])
def test_a_line_without_its_end_is_no_entry(tmp_path, tail):
    path = written(tmp_path / "log.jsonl")
    with path.open("a") as file:
        file.write(tail)
    assert len(read_log(path)) == 3


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_going_on_cuts_what_came_after(tmp_path, epoch):
    path = written(tmp_path / "log.jsonl")
    with path.open("a") as file:
        file.write('{"epoch": 4, "lo')
    with RunLog(path, epoch) as log:
        log.append({"epoch": epoch + 1})
    assert [entry["epoch"] for entry in read_log(path)] == list(range(1, epoch + 2))


def test_a_log_shorter_than_the_checkpoint_is_refused_and_kept(tmp_path):
    path = written(tmp_path / "log.jsonl", count=2)
    before = path.read_bytes()
    message = r"log.jsonl' holds 2 complete lines, but the checkpoint is of epoch 3: the log was"
    with pytest.raises(FileError, match=message):
        RunLog(path, 3)
    assert path.read_bytes() == before


def test_nothing_is_written_that_json_does_not_have(tmp_path):
    with RunLog(tmp_path / "log.jsonl", 0) as log, pytest.raises(ValueError, match="JSON"):
        log.append({"loss": float("nan")})
    assert (tmp_path / "log.jsonl").read_bytes() == b""


def test_a_full_disk_leaves_whole_lines_and_says_so(tmp_path, file_size_limit):
    path = tmp_path / "log.jsonl"
    with RunLog(path, 0) as log:
        log.append({"epoch": 1, "text": "x" * 50})
        with file_size_limit(100), pytest.raises(FileError, match="the disk or quota is full"):
            log.append({"epoch": 2, "text": "x" * 50})
        assert [entry["epoch"] for entry in read_log(path)] == [1]
        assert path.read_bytes().endswith(b"\n")
        log.append({"epoch": 2})  # once there is space again
    assert [entry["epoch"] for entry in read_log(path)] == [1, 2]


@pytest.mark.parametrize("line", ["[1, 2]", "nonsense", "3"])
def test_an_altered_line_is_named(tmp_path, line):
    path = written(tmp_path / "log.jsonl", count=1)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FileError, match=r"log.jsonl' line 2 is no.* JSON.*: it was .*altered"):
        read_log(path)


def test_missing_or_unwritable_logs_are_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot read '.*log.jsonl': No such file"):
        read_log(tmp_path / "log.jsonl")
    with pytest.raises(FileError, match=r"cannot write '.*log.jsonl': No such file"):
        RunLog(tmp_path / "absent" / "log.jsonl", 0)


def test_numbers_keep_every_digit(tmp_path):
    value = 0.1 + 0.2
    with RunLog(tmp_path / "log.jsonl", 0) as log:
        log.append({"value": value})
    assert json.loads((tmp_path / "log.jsonl").read_text())["value"] == value
