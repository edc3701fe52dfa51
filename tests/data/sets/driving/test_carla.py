import h5py
import numpy as np
import pytest
import torch

from deepnrc.data.sets.driving.carla import read_carla, rewrite_carla
from deepnrc.errors import DeepNRCWarning, FileError, NonFiniteError
from deepnrc.storage.manifest import file_sha256


def write_file(path, rng, *, frames=200, chunks=None):
    """A file as Codevilla et al. ship it: four datasets, 88 × 200 pixels, 28 columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "x") as file:
        rgb = rng.integers(0, 256, (frames, 88, 200, 3), dtype=np.uint8)
        file.create_dataset("rgb", data=rgb, chunks=chunks)
        file.create_dataset("depth", data=np.zeros((frames, 88, 200), dtype=np.uint8))
        file.create_dataset("labels", data=np.zeros((frames, 88, 200), dtype=np.uint8))
        targets = rng.standard_normal((frames, 28)).astype(np.float32)
        file.create_dataset("targets", data=targets)
    return rgb, targets


def change(path, name, values):
    with h5py.File(path, "a") as file:
        del file[name]
        if values is not None:
            file.create_dataset(name, data=values)


@pytest.fixture
def folder(tmp_path, rng):
    """SeqTrain with a file of 200 frames and one of 3."""
    write_file(tmp_path / "SeqTrain" / "data_03664.h5", rng, frames=3)
    write_file(tmp_path / "SeqTrain" / "data_03663.h5", rng)
    return tmp_path / "SeqTrain"


@pytest.fixture
def last(folder):
    return folder / "data_03664.h5"


def test_frames_in_the_order_of_the_files_names(tmp_path, rng):
    late_rgb, late = write_file(tmp_path / "data_06951.h5", rng, frames=3)
    early_rgb, early = write_file(tmp_path / "data_03663.h5", rng)
    (tmp_path / "README.md").write_text("not a drive")
    raw = read_carla(tmp_path)
    assert raw.inputs.shape == (203, 3, 88, 200)
    assert raw.targets.dtype == torch.float32
    # Columns 0 and 10 of [C18]'s list, which counts from 1: "1. Steer", "11. Speed".
    both = np.concatenate([early, late])
    assert np.array_equal(raw.targets.numpy(), np.stack([both[:, 0], both[:, 10]], axis=1))
    assert np.array_equal(raw.inputs.read(torch.tensor([199, 200])), [early_rgb[-1], late_rgb[0]])
    red = raw.inputs[torch.tensor([201])][0, 0]
    assert torch.equal(red, torch.from_numpy(late_rgb[1, :, :, 0].astype(np.float32)) / 255)
    assert raw.input_names == ("image",)
    assert raw.target_names == ("steering", "speed")
    sums = raw.provenance.pop("files")
    assert sums == {file.name: file_sha256(file) for file in sorted(tmp_path.glob("*.h5"))}
    assert raw.provenance == {
        "data": "carla2d",
        "made_from": "203 frames in 2 of the CARLA files of Codevilla et al. 2018",
        "folder": tmp_path.name,
        "image_values": "bytes divided by 255",
    }


def test_speed_only(folder):
    one, both = read_carla(folder, speed_only=True), read_carla(str(folder))
    assert torch.equal(one.targets, both.targets[:, 1:])
    assert one.target_names == ("speed",)
    assert one.provenance["data"] == "carla1d"


def test_float64_targets_are_rounded(folder, last):
    change(last, "targets", np.full((3, 28), 0.1))
    assert read_carla(folder).targets[-1].tolist() == [np.float32(0.1)] * 2


def test_images_are_read_when_asked_for_and_not_from_a_file_changed_since(folder, last):
    raw = read_carla(folder)
    assert raw.inputs.read(torch.tensor([200])).shape == (1, 88, 200, 3)
    change(last, "rgb", np.zeros((3, 88, 200, 3), dtype=np.uint8))
    with pytest.raises(FileError, match=r"data_03664\.h5: .*changed after the set was loaded"):
        raw.inputs.read(torch.tensor([200]))


def test_a_file_with_a_block_of_the_users_own(folder, last):
    last.unlink()
    rgb = np.arange(88 * 200 * 3).reshape(1, 88, 200, 3).astype(np.uint8)
    with h5py.File(last, "x", userblock_size=512) as file:
        file.create_dataset("rgb", data=rgb)
        file.create_dataset("targets", data=np.zeros((1, 28), dtype=np.float32))
    assert np.array_equal(read_carla(folder).inputs.read(torch.tensor([200])), rgb)


@pytest.mark.parametrize("name", ["rgb", "targets"])
def test_a_missing_dataset(folder, last, name):
    change(last, name, None)
    there = "'depth', 'labels', " + ("'targets'" if name == "rgb" else "'rgb'")
    with pytest.raises(
        FileError,
        match=rf"data_03664\.h5 must hold the datasets 'rgb' and 'targets'; got {there}: leave",
    ):
        read_carla(folder)


def test_a_file_without_anything(folder, last):
    last.unlink()
    h5py.File(last, "x").close()
    with pytest.raises(FileError, match=r"'rgb' and 'targets'; got an empty file: leave"):
        read_carla(folder)


def test_a_group_where_a_dataset_should_be(folder, last):
    change(last, "rgb", None)
    with h5py.File(last, "a") as file:
        file.create_group("rgb")
    with pytest.raises(FileError, match=r"data_03664\.h5 must hold the datasets"):
        read_carla(folder)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 200, 88, 3), dtype=np.uint8),
        np.zeros((3, 88, 200, 4), dtype=np.uint8),
        np.zeros((3, 88, 200), dtype=np.uint8),
        np.zeros((3, 88, 200, 3), dtype=np.float32),
    ],
)
def test_images_of_another_shape_or_type(folder, last, values):
    change(last, "rgb", values)
    with pytest.raises(FileError) as caught:
        read_carla(folder)
    assert str(caught.value) == (
        f"{last}: 'rgb' must have the shape (frames, 88, 200, 3) and type uint8; got "
        f"{values.shape} and {values.dtype}: leave the file out, or "
        "compare it with the original if it was copied"
    )


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 28), dtype=np.float32),
        np.zeros((3, 27), dtype=np.float32),
        np.zeros(3, dtype=np.float32),
        np.zeros((3, 28), dtype=np.int64),
    ],
)
def test_targets_of_another_shape_or_type(folder, last, values):
    change(last, "targets", values)
    with pytest.raises(FileError) as caught:
        read_carla(folder)
    assert str(caught.value) == (
        f"{last}: 'targets' must have the shape (3, 28), one row per image, and a floating-point "
        f"type; got {values.shape} and {values.dtype}: leave the file out, or "
        "compare it with the original if it was copied"
    )


def test_a_file_of_no_frames(folder, last, rng):
    last.unlink()
    write_file(last, rng, frames=0)
    with pytest.raises(FileError, match=r"data_03664\.h5 must hold at least one frame; got none"):
        read_carla(folder)


@pytest.mark.parametrize("keep", [0, 100, 100_000])
def test_a_file_cut_short(folder, last, keep):
    last.write_bytes(last.read_bytes()[:keep])
    with pytest.raises(
        FileError, match=r"data_03664\.h5 cannot be opened as HDF5 .* truncated by an interrupted"
    ):
        read_carla(folder)


def test_a_file_of_another_format(folder, last):
    last.write_text("<html>Quota exceeded</html>")
    with pytest.raises(FileError, match=r"data_03664\.h5 cannot be opened .* another format"):
        read_carla(folder)


def test_damaged_targets(folder, last):
    change(last, "targets", None)
    with h5py.File(last, "a") as file:
        data = np.zeros((3, 28), dtype=np.float32)
        targets = file.create_dataset("targets", data=data, chunks=(3, 28), compression="gzip")
        chunk = targets.id.get_chunk_info(0)
    content = bytearray(last.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\0" * chunk.size
    last.write_bytes(content)
    with pytest.raises(FileError, match=r"data_03664\.h5: 'targets' cannot be read .* damaged"):
        read_carla(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_that_are_not_finite(folder, last, bad):
    values = np.zeros((3, 28), dtype=np.float32)
    values[1:, 10] = bad
    change(last, "targets", values)
    with pytest.raises(NonFiniteError) as caught:
        read_carla(folder)
    assert caught.value.row == 1
    assert str(caught.value) == (
        f"{last}: targets must be finite; got {bad} for speed in frame 1, counted from 0 (2 such "
        "frames in this file): leave the file out"
    )


def test_other_columns_may_hold_anything(folder, last):
    values = np.full((3, 28), np.nan, dtype=np.float32)
    values[:, [0, 10]] = 1, 2
    change(last, "targets", values)
    assert read_carla(folder).targets[-1].tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["link", "virtual", "storage"])
def test_a_reference_to_another_file(folder, last, tmp_path, rng, kind):
    other = tmp_path / "other.h5"
    write_file(other, rng, frames=3)
    change(last, "rgb", None)
    with h5py.File(last, "a") as file:
        shape = (3, 88, 200, 3)
        if kind == "link":
            file["rgb"] = h5py.ExternalLink(other, "rgb")
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, dtype=np.uint8)
            layout[:] = h5py.VirtualSource(other, "rgb", shape)
            file.create_virtual_dataset("rgb", layout)
        else:
            file.create_dataset("rgb", shape, np.uint8, external=str(other))
    with pytest.raises(
        FileError, match=r"'rgb' must be stored in this file; got a reference to another"
    ):
        read_carla(folder)


def test_an_empty_folder(tmp_path):
    with pytest.raises(FileError, match=r"must hold HDF5 files \(\*\.h5\); got none: unpack"):
        read_carla(tmp_path)


def test_a_path_that_is_no_folder(last):
    with pytest.raises(FileError, match=r"folder of CARLA's HDF5 files; got a file: pass the"):
        read_carla(last)
    with pytest.raises(FileError, match=r"HDF5 files; got a path that does not exist: pass the"):
        read_carla(last / "gone")


def test_files_further_down(folder, rng):
    above = folder.parent
    write_file(above / "SeqVal" / "data_06800.h5", rng, frames=1)
    with pytest.raises(FileError) as caught:
        read_carla(above)
    assert str(caught.value) == (
        f"{above} must hold HDF5 files itself; got some only in folders below: pass one of "
        f"{above / 'SeqTrain'} (2 files), {above / 'SeqVal'} (1 files)"
    )


def test_images_that_share_chunks_are_warned_of_and_rewritten(tmp_path, rng):
    rgb, targets = write_file(tmp_path / "old" / "a.h5", rng, frames=4, chunks=(2, 88, 200, 3))
    write_file(tmp_path / "old" / "b.h5", rng, frames=1, chunks=(1, 44, 200, 3))
    with pytest.warns(DeepNRCWarning, match=r"in 1 of 2 files images share chunks.*rewrite_carla"):
        before = read_carla(tmp_path / "old")
    rewrite_carla(tmp_path / "old", tmp_path / "new")
    after = read_carla(tmp_path / "new")  # and pytest would show a warning as an error
    rows = torch.arange(5)
    assert np.array_equal(before.inputs.read(rows[:4]), rgb)  # slow, but right
    assert np.array_equal(after.inputs.read(rows), before.inputs.read(rows))
    with h5py.File(tmp_path / "new" / "a.h5") as file:
        assert np.array_equal(file["targets"], targets)  # all 28 columns


def test_rewriting_leaves_nothing_half_done(folder, last, tmp_path):
    new = tmp_path / "new"
    change(last, "targets", None)
    with pytest.raises(FileError, match=r"data_03664\.h5 must hold the datasets"):
        rewrite_carla(folder, new)
    assert not new.exists()
    with pytest.raises(FileError, match=r"target .*SeqTrain cannot be made .* not exist yet"):
        rewrite_carla(folder, folder)
    assert len(list(folder.iterdir())) == 2


def test_rewriting_onto_a_full_disk(folder, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deepnrc.data.sets.driving.carla.write_file", full)
    with pytest.raises(FileError, match=r"target .*new cannot be written .*No space.*: free disk"):
        rewrite_carla(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_copied_file_is_read_once(folder):
    whole = read_carla(folder)
    first = sorted(folder.glob("*.h5"))[0]
    (folder / "zz copy.h5").write_bytes(first.read_bytes())
    with pytest.warns(
        DeepNRCWarning, match=f"1 of 3 files left out, .*'zz copy.h5' that of '{first.name}'"
    ):
        raw = read_carla(folder)
    assert torch.equal(raw.targets, whole.targets)
    assert raw.provenance["copies_left_out"] == {"zz copy.h5": first.name}
