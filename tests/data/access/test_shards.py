import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from deepnrc.data.access.shards import Shard, ShardImages
from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError, FileError

HEIGHT, WIDTH = 5, 7


@pytest.fixture
def stored(tmp_path, rng):
    """Three files of 4, 1 and 3 images, all but the first in chunks; and all their pixels."""
    pixels = rng.integers(0, 256, (8, HEIGHT, WIDTH, 3), dtype=np.uint8)
    options = ({}, {"chunks": (1, HEIGHT, WIDTH, 3), "compression": "gzip"}, {"chunks": True})
    shards, first = [], 0
    for number, count in enumerate((4, 1, 3)):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "x") as file:
            file.create_dataset("rgb", data=pixels[first : first + count], **options[number])
            offset = file["rgb"].id.get_offset()
        shards.append(Shard(path, count, offset, path.stat().st_mtime_ns))
        first += count
    return shards, pixels


def images_of(shards, **options):
    return ShardImages(shards, height=HEIGHT, width=WIDTH, **options)


def expected(pixels, rows):
    """The slow obvious way: image by image, channels to the front, divided by 255."""
    images = [np.moveaxis(pixels[row].astype(np.float32), -1, 0) / np.float32(255) for row in rows]
    return torch.from_numpy(np.stack(images))


@pytest.mark.parametrize("open_files", [1, 2, 128])
@pytest.mark.parametrize("rows", [[0], [7, 0, 4, 3, 5, 0, 7], list(range(8)), [6, 5, 4]])
def test_rows_in_any_order_and_number(stored, rows, open_files):
    shards, pixels = stored
    images = images_of(shards, open_files=open_files)
    for _ in range(2):  # files opened, files open already
        got = images[torch.tensor(rows)]
        assert got.dtype == torch.float32
        assert got.is_contiguous()  # for models that flatten with view()
        assert torch.equal(got, expected(pixels, rows))  # one correctly rounded division
        assert np.array_equal(images.read(torch.tensor(rows)), pixels[rows])


def test_no_rows(stored):
    images = images_of(stored[0])
    assert images[torch.tensor([], dtype=torch.int64)].shape == (0, 3, HEIGHT, WIDTH)


def test_shape_and_protocol(stored):
    images = images_of(stored[0])
    assert images.shape == (8, 3, HEIGHT, WIDTH)
    assert len(images) == 8
    assert isinstance(images, ImageRows)
    assert len(images_of([])) == 0


@pytest.mark.parametrize("row", [-1, 8])
def test_a_row_that_is_not_there(stored, row):
    with pytest.raises(
        ArgumentError, match=rf"rows must be from 0 to 7, as there are 8 images; got {row}"
    ):
        images_of(stored[0])[torch.tensor([0, row])]


def test_open_files_must_be_at_least_one(stored):
    with pytest.raises(ArgumentError, match="open_files must be at least 1; got 0"):
        images_of(stored[0], open_files=0)


@pytest.fixture
def packed(stored):
    """The same, but every file has to be read by HDF5."""
    shards, pixels = stored
    return [replace(shard, offset=None) for shard in shards], pixels


def test_images_one_after_the_other_are_found_without_hdf5(stored, monkeypatch):
    shards, pixels = stored
    assert [shard.offset is None for shard in shards] == [False, True, True]
    monkeypatch.setattr("deepnrc.data.access.shards.open_hdf5", None)
    assert np.array_equal(images_of(shards).read(torch.tensor([3, 1])), pixels[[3, 1]])


def test_no_more_files_are_open_than_allowed(packed, monkeypatch):
    handles = []
    real = h5py.File

    def opened(*args, **options):
        handles.append(real(*args, **options))
        return handles[-1]

    monkeypatch.setattr(h5py, "File", opened)
    images = images_of(packed[0], open_files=2)
    assert not handles  # none before an image is asked for
    for row, opened_so_far in ((0, 1), (4, 2), (1, 2), (5, 3), (2, 3), (4, 4)):
        images[torch.tensor([row])]  # of the two open files the one used longer ago makes room
        assert len(handles) == opened_so_far
        assert sum(bool(handle) for handle in handles) <= 2


@pytest.mark.parametrize(("allowed", "used"), [(256, 128), (1024, 512), (10**6, 512), (1, 1)])
def test_by_default_half_of_the_files_that_the_system_allows(monkeypatch, allowed, used):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (allowed, allowed))
    assert images_of([])._open_files == used


@pytest.mark.parametrize("row", [0, 4])
def test_a_file_that_is_gone(stored, row):
    shards, _ = stored
    images = images_of(shards)
    shards[row // 4].path.unlink()
    with pytest.raises(FileError, match=rf"{row // 4}\.h5: images cannot be read .*No such file"):
        images[torch.tensor([row])]


@pytest.mark.parametrize("row", [0, 4])
def test_a_file_that_was_changed(stored, row):
    shards, _ = stored
    images = images_of(shards)
    path = shards[row // 4].path
    os.utime(path, ns=(0, shards[row // 4].modified_ns + 1))
    with pytest.raises(
        FileError, match=rf"{row // 4}\.h5: images cannot be read \(it was changed after .*again"
    ):
        images[torch.tensor([row])]


def test_a_file_cut_short(stored):
    shards, pixels = stored
    content = shards[0].path.read_bytes()
    shards[0].path.write_bytes(content[: shards[0].offset + 3 * HEIGHT * WIDTH * 3 + 1])
    os.utime(shards[0].path, ns=(0, shards[0].modified_ns))
    images = images_of(shards)
    assert np.array_equal(images.read(torch.tensor([2])), pixels[[2]])
    with pytest.raises(FileError, match=r"0\.h5: images cannot be read \(it ends within frame 3\)"):
        images[torch.tensor([3])]


def test_a_damaged_chunk(stored):
    shards, _ = stored
    with h5py.File(shards[1].path) as file:
        chunk = file["rgb"].id.get_chunk_info(0)
    content = bytearray(shards[1].path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\0" * chunk.size
    shards[1].path.write_bytes(content)
    os.utime(shards[1].path, ns=(0, shards[1].modified_ns))
    with pytest.raises(
        FileError, match=r"1\.h5: images cannot be read .* if not, the original itself is"
    ):
        images_of(shards)[torch.tensor([4])]


def test_a_pickled_copy_opens_files_for_itself(packed):
    shards, pixels = packed
    images = images_of(shards)
    images[torch.tensor([0])]
    assert torch.equal(pickle.loads(pickle.dumps(images))[torch.tensor([5])], expected(pixels, [5]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # from Python 3.12
def test_in_a_forked_process(packed):
    shards, pixels = packed
    images = images_of(shards)
    images[torch.tensor([0])]
    inherited = images._handles[0].file.id
    context = multiprocessing.get_context("fork")
    with context.Pool(1, initializer=_set_images, initargs=(images,)) as pool:
        got, handles = pool.apply(_read_in_worker)
    assert np.array_equal(got, pixels[[6]])
    assert handles == 1  # opened in the worker; the one from here is not among them
    assert inherited.valid  # and still open here


def test_from_several_threads(packed):
    shards, pixels = packed
    images = images_of(shards, open_files=1)  # each read closes what another has opened
    wanted = [[row % 8, (3 * row + 1) % 8, (5 * row) % 8] for row in range(200)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda rows: images.read(torch.tensor(rows)), wanted))
    assert all(np.array_equal(a, pixels[rows]) for a, rows in zip(got, wanted, strict=True))


def _set_images(images):
    global _images
    _images = images


def _read_in_worker():
    return _images.read(torch.tensor([6])), len(_images._handles)
