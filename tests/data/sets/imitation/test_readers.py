"""What is read at which path."""

import pytest

from data.sets.imitation.formats import assert_holds, episode, write_jat, write_minari
from deepnrc.data.sets.imitation.readers import read_real
from deepnrc.data.sets.imitation.tasks import SWIMMER
from deepnrc.errors import ArgumentError, FileError


@pytest.fixture
def episodes(rng):
    return [episode(rng, steps, extra=0) for steps in (3, 20, 1, 7)]


def test_folder_of_shards_in_order_without_the_test_split(tmp_path, episodes):
    write_jat(tmp_path / "train-00001-of-00002.parquet", episodes[2:])
    write_jat(tmp_path / "train-00000-of-00002.parquet", episodes[:2])
    write_jat(tmp_path / "test-00000-of-00001.parquet", episodes[:1])
    (tmp_path / "dataset_info.json").write_text("{}")
    raw = read_real(SWIMMER, tmp_path)
    assert_holds(raw, episodes)
    assert list(raw.provenance["files"]) == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]


def test_folder_without_splits(tmp_path, episodes):
    write_jat(tmp_path / "b.parquet", episodes[1:])
    write_jat(tmp_path / "a.parquet", episodes[:1])
    assert_holds(read_real(SWIMMER, tmp_path), episodes)


def test_file_of_minari_comes_before_others_beside_it(tmp_path, episodes):
    write_minari(tmp_path / "main_data.hdf5", episodes)
    write_minari(tmp_path / "additional_data_0.hdf5", episodes[:1])
    write_jat(tmp_path / "train.parquet", episodes[:1])
    assert_holds(read_real(SWIMMER, tmp_path), episodes)


def test_nothing_there(tmp_path):
    with pytest.raises(FileError, match=r"nowhere does not exist: pass the path of an expert"):
        read_real(SWIMMER, tmp_path / "nowhere")


def test_file_of_another_kind(tmp_path):
    path = tmp_path / "expert.pkl"
    path.touch()
    message = r"path must be a file ending in \.hdf5, \.h5 or \.parquet; got expert\.pkl: rename it"
    with pytest.raises(ArgumentError, match=message):
        read_real(SWIMMER, path)


def test_folder_without_any(tmp_path):
    message = (
        r"path must be a Minari folder \(with data/main_data\.hdf5\) or a folder with files ending"
        r" in .* or \.parquet; got .*, which has none: pass another"
    )
    with pytest.raises(ArgumentError, match=message):
        read_real(SWIMMER, tmp_path)
