"""Files in CARLA's layout whose image size is not fixed; test_carla.py has those of CARLA."""

import h5py
import numpy as np
import pytest
import torch

from deepnrc.data.sets.driving.drives import read_drives, read_file, write_file
from deepnrc.errors import FileError, NonFiniteError


@pytest.fixture
def frames(rng):
    images = rng.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    return images, rng.standard_normal((3, 28)).astype(np.float32)


@pytest.mark.parametrize("compressed", [False, True])
def test_what_was_written_is_read(tmp_path, frames, compressed):
    images, targets = frames
    path = tmp_path / "a.h5"
    write_file(path, images, targets, compressed=compressed)
    drives = read_drives([path], ("speed", "steering"))
    assert np.array_equal(drives.images.read(torch.arange(3)), images)
    assert np.array_equal(drives.targets, targets[:, [10, 0]])
    assert drives.files == 1
    whole = read_file(path, size=(5, 7))
    assert all(np.array_equal(a, b) for a, b in zip(whole, frames, strict=True))


def test_the_first_file_sets_the_size(tmp_path, frames):
    images, targets = frames
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    write_file(paths[0], images, targets)
    write_file(paths[1], images[:, :4], targets)
    message = r"b\.h5: 'rgb' must have the shape \(frames, 5, 7, 3\) .* got \(3, 4, 7, 3\)"
    with pytest.raises(FileError, match=message):
        read_drives(paths, ("speed",))


def test_images_of_too_few_axes(tmp_path, frames):
    with h5py.File(tmp_path / "a.h5", "x") as file:
        file["rgb"], file["targets"] = np.zeros((3, 5), dtype=np.uint8), frames[1]
    with pytest.raises(FileError, match=r"a\.h5: 'rgb' must have the shape .* got \(3, 5\)"):
        read_drives([tmp_path / "a.h5"], ("speed",))


def test_chunks_that_claim_more_than_memory(tmp_path, frames, monkeypatch):
    """To read one image, HDF5 decompresses its whole chunk."""
    with h5py.File(tmp_path / "a.h5", "x") as file:
        file.create_dataset("rgb", (3, 9, 9, 3), "u1", chunks=(3, 9, 9, 3), compression="gzip")
        file["targets"] = frames[1]
    monkeypatch.setattr("deepnrc.data.access.sizes.largest", lambda: 400)
    with pytest.raises(FileError, match=r"a\.h5: a chunk of 'rgb' claims 729 bytes; at most 400"):
        read_drives([tmp_path / "a.h5"], ("speed",))


def test_a_header_that_claims_terabytes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "x") as file:
        file.create_dataset("rgb", (10**11, 5, 7, 3), "u1", chunks=(1, 5, 7, 3))
        file.create_dataset("targets", (10**11, 28), "f4", chunks=(1000, 28))
    message = r"a\.h5: 'targets' of shape \(100000000000, 28\) claims 11,200,000,000,000 bytes"
    with pytest.raises(FileError, match=message):
        read_drives([tmp_path / "a.h5"], ("speed",))


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_refused_by_name(tmp_path, frames, compressed):
    """HDF5 has many words for damage: as RuntimeError, KeyError, ValueError and OSError."""
    path = tmp_path / "a.h5"
    write_file(path, *frames, compressed=compressed)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[generator.integers(len(content) // 2)] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_drives([path], ("speed",)).images.read(torch.arange(3))
        except (FileError, NonFiniteError) as error:
            refused += "a.h5" in str(error)
    assert refused > 10
