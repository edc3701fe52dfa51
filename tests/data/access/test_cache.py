from pathlib import Path

import platformdirs
import pytest
import torch

from deepnrc.data.access.cache import (
    build_command,
    data_folder,
    load_tensors,
    rebuild_command,
    save_tensors,
)
from deepnrc.errors import FileError


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
    loaded, description = load_tensors(path, rebuild="make it")
    assert description == {"note": "µ", "count": 2}
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_missing_folders_are_made_and_no_draft_is_left(tmp_path, tensors):
    file = tmp_path / "new" / "folder" / "set"
    save_tensors(file, tensors, {})
    assert list(file.parent.iterdir()) == [file]


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"no file '.*gone\.safetensors': build it with `make it`"):
        load_tensors(tmp_path / "gone.safetensors", rebuild="make it")


def test_an_altered_file(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        FileError, match=r"set\.safetensors' was altered .*; build it with `make it`"
    ):
        load_tensors(path, rebuild="make it")


def test_a_file_where_a_folder_should_be(path):
    with pytest.raises(FileError, match=r"cannot write '.*set\.safetensors': File exists"):
        save_tensors(path / "inside", {"a": torch.zeros(3)}, {})


def test_build_command():
    assert build_command("hopper", 7, 0) == "deepnrc data build hopper --samples 7"
    assert build_command("hopper", 7, 2) == "deepnrc data build hopper --samples 7 --seed 2"


def test_a_built_sets_file_name_tells_how_to_build_it_again(tmp_path):
    path = tmp_path / "hopper-samples70-seed2.safetensors"
    assert rebuild_command("hopper", path) == "deepnrc data build hopper --samples 70 --seed 2"
    assert rebuild_command("hopper", tmp_path / "x") == "deepnrc data build hopper"
