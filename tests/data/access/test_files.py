"""Files below a folder, and which of them are copies."""

import hashlib
import os

import pytest

from deepnrc.data.access.files import copies_of_rows, distinct_files, files_below
from deepnrc.errors import DeepNRCWarning, FileError


def test_files_below_are_sorted_and_hidden_ones_left_out(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("z", "b/c/a", "b/y", ".DS_Store", ".git/x"):
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)]
    assert found == ["b/c/a", "b/y", "z"]


def test_links_to_folders_are_followed_once(tmp_path):
    folder, real = tmp_path / "set", tmp_path / "disk"
    (folder / "below").mkdir(parents=True)
    real.mkdir()
    (real / "image").touch()
    (folder / "below" / "up").symlink_to(folder, target_is_directory=True)
    for name in ("one", "two"):
        (folder / name).symlink_to(real, target_is_directory=True)
    (folder / "nowhere").symlink_to(folder / "gone")
    (folder / "itself").symlink_to(folder / "itself")
    assert [path.name for path in files_below(folder)] == ["image"]


def test_folders_without_end_are_refused(tmp_path):
    deep = tmp_path.joinpath(*"abcdefgh" * 10)
    deep.mkdir(parents=True)
    with pytest.raises(FileError, match=r"must have at most 64 folders in one another; got more"):
        files_below(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(FileError, match=r"closed' cannot be read: Permission denied"):
        files_below(tmp_path)


def test_copies_of_files_are_left_out(tmp_path):
    files = []
    for name, content in (("a", b"1"), ("a (1)", b"1"), ("b", b"2"), ("c", b"1")):
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    message = r"2 of 4 files left out, .*: 'a \(1\)' that of 'a' and so on\. All are listed"
    with pytest.warns(DeepNRCWarning, match=message):
        distinct = distinct_files(files)
    assert [path.name for path in distinct.files] == ["a", "b"]
    sums = {"a": hashlib.sha256(b"1").hexdigest(), "b": hashlib.sha256(b"2").hexdigest()}
    assert distinct.facts == {"files": sums, "copies_left_out": {"a (1)": "a", "c": "a"}}


def test_many_files_have_one_checksum_over_names_and_contents(tmp_path):
    files = [tmp_path / f"{i:02}" for i in range(21)]
    for file in files:
        file.write_text(file.name)
    first = distinct_files(files).facts
    assert list(first["files"]) == ["all names and contents"]
    files[3].write_text("other")
    assert distinct_files(files).facts != first


def test_rows_of_the_same_content_have_one_number():
    assert copies_of_rows(["a", "b", "a", "c", "b"]).tolist() == [0, 1, 0, 3, 1]
    assert copies_of_rows(["a", "b"]) is None
