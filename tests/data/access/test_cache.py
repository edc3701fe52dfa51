import os
from pathlib import Path

import platformdirs
import pytest
import torch
from safetensors.torch import save_file

from deepnrc.data.access.cache import (
    build_command,
    data_folder,
    load_tensors,
    rebuild_command,
    save_tensors,
)
from deepnrc.errors import FileError

REBUILD = "make it"


@pytest.fixture
def tensors():
    return {"a": torch.tensor([[1.0, -2.5]]), "b": torch.tensor([3, 4, 5])}


@pytest.fixture
def path(tmp_path, tensors):
    file = tmp_path / "set.safetensors"
    save_tensors(file, tensors, {"note": "µ", "count": 2})
    return file


def test_folder_is_inside_the_one_that_the_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPNRC_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "data"
    assert not data_folder().exists()  # asking does not make it


def test_tilde_in_the_environment_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("DEEPNRC_HOME", "~/somewhere")
    assert data_folder() == Path.home() / "somewhere" / "data"


@pytest.mark.parametrize("value", [None, ""])
def test_folder_is_the_users_cache_otherwise(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("DEEPNRC_HOME", raising=False)
    else:
        monkeypatch.setenv("DEEPNRC_HOME", value)
    assert data_folder() == platformdirs.user_cache_path("deepnrc") / "data"


def test_round_trip(path, tensors):
    loaded, description = load_tensors(path, rebuild=REBUILD)
    assert description == {"note": "µ", "count": 2}
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_a_view_is_stored_as_what_it_shows(tmp_path):
    view = torch.arange(6.0).reshape(2, 3).T
    save_tensors(tmp_path / "view", {"view": view}, {})
    assert torch.equal(load_tensors(tmp_path / "view", rebuild=REBUILD)[0]["view"], view)


def test_same_content_same_bytes(path, tmp_path, tensors):
    again = tmp_path / "again"
    save_tensors(again, dict(reversed(tensors.items())), {"count": 2, "note": "µ"})
    assert again.read_bytes() == path.read_bytes()


def test_missing_folders_are_made_and_no_draft_is_left(tmp_path, tensors):
    file = tmp_path / "new" / "folder" / "set"
    save_tensors(file, tensors, {})
    assert list(file.parent.iterdir()) == [file]


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"gone\.safetensors does not exist; .* `make it`"):
        load_tensors(tmp_path / "gone.safetensors", rebuild=REBUILD)


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(FileError, match=r"cannot be read as a file of tensors .* `make it`"):
        load_tensors(tmp_path, rebuild=REBUILD)


def test_file_of_a_stranger(tmp_path, tensors):
    save_file(tensors, tmp_path / "other")
    message = r"other: expected a file of layout 'deepnrc-data-1', got None; .* `make it`"
    with pytest.raises(FileError, match=message):
        load_tensors(tmp_path / "other", rebuild=REBUILD)


def test_every_truncation_is_noticed(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(FileError, match=r"set\.safetensors cannot be read .* `make it`"):
            load_tensors(path, rebuild=REBUILD)


def test_other_layout(path, monkeypatch):
    monkeypatch.setattr("deepnrc.data.access.cache.LAYOUT", "deepnrc-data-2")
    message = r"expected a file of layout 'deepnrc-data-2', got 'deepnrc-data-1'; .* `make it`"
    with pytest.raises(FileError, match=message):
        load_tensors(path, rebuild=REBUILD)


@pytest.mark.parametrize("flip", [0x01, 0x0F, 0x10])  # 0x0F makes the type F32 an I32
def test_every_altered_byte_is_noticed(path, flip):
    content = path.read_bytes()
    for place in range(len(content)):
        altered = bytearray(content)
        altered[place] ^= flip
        path.write_bytes(altered)
        with pytest.raises(FileError, match=r"set\.safetensors.* `make it`"):
            load_tensors(path, rebuild=REBUILD)


def test_altered_number_is_named_as_such(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"set\.safetensors was altered .* SHA-256 .* `make it`"):
        load_tensors(path, rebuild=REBUILD)


def test_what_was_loaded_does_not_hang_on_the_file(path, tensors):
    loaded, _ = load_tensors(path, rebuild=REBUILD)
    size = path.stat().st_size
    with path.open("r+b") as file:  # in place, as a new file would not touch mapped memory
        file.write(bytes(size))
    assert torch.equal(loaded["a"], tensors["a"])


def test_failed_writing_leaves_the_old_file_and_no_draft(path, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    message = r"set\.safetensors cannot be written \(no space left\); .* DEEPNRC_HOME"
    with pytest.raises(FileError, match=message):
        save_tensors(path, {"a": torch.zeros(3)}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_where_a_folder_should_be(path):
    with pytest.raises(FileError, match=r"inside cannot be written \(.*\); .* DEEPNRC_HOME"):
        save_tensors(path / "inside", {"a": torch.zeros(3)}, {})


def test_build_command():
    assert build_command("hopper", 7, 0) == "deepnrc data build hopper --samples 7"
    assert build_command("hopper", 7, 2) == "deepnrc data build hopper --samples 7 --seed 2"


def test_a_built_sets_file_name_tells_how_to_build_it_again(tmp_path):
    path = tmp_path / "hopper-samples70-seed2.safetensors"
    assert rebuild_command("hopper", path) == "deepnrc data build hopper --samples 70 --seed 2"
    assert rebuild_command("hopper", tmp_path / "x") == "deepnrc data build hopper"
