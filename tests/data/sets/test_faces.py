"""UTKFace: JPEG files as it names them, and what is done with those that are broken."""

import io
import json
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepnrc.data import load
from deepnrc.data.sets.faces import age_of, read_faces
from deepnrc.data.source import ImageRows
from deepnrc.errors import ArgumentError, DataError, DeepNRCWarning, FileError

NAMES = (
    "1_0_0_20161219140623097.jpg.chip.jpg",
    "26_1_2_20170116184024662.jpg",
    "100_1_0_20170112213500903.jpg.chip.jpg",
)


def jpeg(color=(200, 100, 50), size=(200, 200), **options):
    content = io.BytesIO()
    Image.new("RGB", size, color).save(content, "JPEG", quality=95, **options)
    return content.getvalue()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "UTKFace"
    (folder / "part1").mkdir(parents=True)
    for i, name in enumerate(NAMES):
        (folder / ("part1" if i else ".") / name).write_bytes(jpeg((50 * i, 100, 200)))
    return folder


@pytest.mark.parametrize(
    ("name", "age"),
    [
        *zip(NAMES, (1, 26, 100), strict=True),
        ("part1/8_0_4_20170109.JPG", 8),
        ("116_1_3_20170110183504224.jpg.chip.jpg", 116),
        ("0_0_0_1.jpeg", 0),
        # As they really are in UTKFace: no race, no date, a misspelt ending.
        ("39_1_20170116174525125.jpg.chip.jpg", None),
        ("61_3_20170109150557335.jpg.chip.jpg", None),
        ("24_0_1_.jpg", None),
        ("44_1_4_20170116235150272.pg.chip.jpg", None),
        ("55_0_0_20170116232725357jpg.chip.jpg", None),
        ("117_0_0_20170109.jpg", None),
        ("20_2_0_20170109.jpg", None),
        ("20_0_5_20170109.jpg", None),
        ("-5_0_0_20170109.jpg", None),
        ("20_0_0_20170109.png", None),
        ("readme.txt", None),
        ("20_0_0_20170109.jpg/x", None),
    ],
)
def test_the_age_is_in_the_name(name, age):
    assert age_of(name) == age


def test_ages_and_images(folder):
    raw = read_faces(folder)
    assert isinstance(raw.inputs, ImageRows)
    assert raw.inputs.shape == (3, 3, 128, 128)
    assert raw.targets.tolist() == [[1], [100], [26]]  # by name, folders below included
    assert (raw.input_names, raw.target_names) == (("image",), ("age (years)",))
    assert raw.provenance["made_from"] == "the UTKFace folder UTKFace, 3 faces, 0 files left out"
    assert raw.provenance["left_out"] == {"badly named": [], "unreadable": []}
    images = raw.inputs[torch.tensor([1, 0, 1])]
    assert images.shape == (3, 3, 128, 128)
    assert images.dtype == torch.float32
    # (pixel / 255 - .5) / .5, of colours that JPEG changes by up to 2 of 255.
    for image, red in zip(images, (100, 0, 100), strict=True):
        expected = torch.tensor([red, 100, 200]) / 127.5 - 1
        torch.testing.assert_close(image[:, 64, 64], expected, rtol=0, atol=2.1 / 127.5)


def test_pixels_are_where_they_were(folder):
    """Top red, bottom blue, and a green right edge: nothing is turned or mirrored."""
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[:100, :, 0], picture[100:, :, 2] = 255, 255
    picture[:, 180:] = (0, 255, 0)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=95)
    (folder / NAMES[0]).write_bytes(content.getvalue())
    [image] = read_faces(folder).inputs[torch.tensor([0])]
    assert image[:, 20, 20].round().tolist() == [1, -1, -1]
    assert image[:, 100, 20].round().tolist() == [-1, -1, 1]
    assert image[:, 64, 124].round().tolist() == [-1, 1, -1]


def test_other_sizes_and_grey_images_are_brought_to_the_same(folder):
    content = io.BytesIO()
    Image.new("L", (90, 310), 128).save(content, "JPEG")
    (folder / NAMES[0]).write_bytes(content.getvalue())
    [image] = read_faces(folder).inputs[torch.tensor([0])]
    torch.testing.assert_close(image, torch.full((3, 128, 128), 128 / 127.5 - 1))


def test_no_rows_asked_for(folder):
    assert read_faces(folder).inputs[torch.tensor([], dtype=torch.long)].shape == (0, 3, 128, 128)


def test_broken_files_are_counted_listed_and_left_out(folder):
    whole = jpeg()
    (folder / "30_0_0_1.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "31_0_0_1.jpg").write_bytes(b"")
    (folder / "32_0_0_1.jpg").write_bytes(b"<html>Not found</html>")
    for i in range(4):
        (folder / f"bad{i}.jpg").write_bytes(whole)
    (folder / ".DS_Store").write_bytes(b"not counted")
    with pytest.warns(DeepNRCWarning) as caught:
        raw = read_faces(folder)
    [warning] = caught
    assert str(warning.message) == (
        "the UTKFace folder UTKFace: files left out: 4 badly named (bad0.jpg, bad1.jpg, bad2.jpg, "
        "…); 3 unreadable (30_0_0_1.jpg, 31_0_0_1.jpg, 32_0_0_1.jpg). All are listed in the "
        "provenance as 'left_out'"
    )
    assert raw.targets.flatten().tolist() == [1, 100, 26]
    assert raw.provenance["left_out"] == {
        "badly named": ["bad0.jpg", "bad1.jpg", "bad2.jpg", "bad3.jpg"],
        "unreadable": ["30_0_0_1.jpg", "31_0_0_1.jpg", "32_0_0_1.jpg"],
    }
    assert raw.provenance["made_from"].endswith("3 faces, 7 files left out")
    json.dumps(raw.provenance)
    assert raw.inputs[torch.arange(3)].shape == (3, 3, 128, 128)


def test_another_format_under_the_name_of_a_jpeg_is_left_out(folder):
    Image.new("RGB", (9, 9)).save(folder / "30_0_0_1.jpg", "PNG")
    with pytest.warns(DeepNRCWarning, match=r"1 unreadable \(30_0_0_1\.jpg\)"):
        assert len(read_faces(folder).inputs) == 3


def claiming(width, height):
    """A small JPEG whose header says that it is of this size."""
    content = bytearray(jpeg())
    place = content.index(b"\xff\xc0") + 5  # after marker, length and precision
    content[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


@pytest.mark.parametrize("size", [(60000, 1500), (60000, 60000)])
def test_absurdly_large_images_are_left_out_undecoded(folder, size):
    (folder / "30_0_0_1.jpg").write_bytes(claiming(*size))
    message = (
        r"files left out: 1 above 89,478,485 pixels \(30_0_0_1\.jpg with "
        rf"{size[0]} × {size[1]} pixels\)\. All"
    )
    with pytest.warns(DeepNRCWarning, match=message):
        raw = read_faces(folder)
    assert len(raw.inputs) == 3
    assert raw.provenance["left_out"]["above 89,478,485 pixels"] == [
        f"30_0_0_1.jpg with {size[0]} × {size[1]} pixels"
    ]


def test_the_warning_filters_are_as_before(folder):
    """Filters are of the whole process: threads that change and restore them mix them up."""
    for i in range(40):
        (folder / f"{i}_0_0_{i}.jpg").write_bytes(jpeg((i, 2 * i, 3 * i)))
    before = list(warnings.filters)
    images = read_faces(folder).inputs
    for _ in range(5):
        images[torch.arange(len(images))]
    assert warnings.filters == before


def two_folders(root, count=40):
    """As Kaggle's archive unpacks: the same pictures in UTKFace and in crop_part1."""
    rng = np.random.default_rng(0)
    for i in range(count):
        content = io.BytesIO()
        Image.fromarray((rng.random((32, 32, 3)) * 255).astype("uint8")).save(content, "JPEG")
        for part in ("UTKFace", "crop_part1"):
            (root / part).mkdir(exist_ok=True)
            (root / part / f"{i + 1}_0_0_2017{i:04d}.jpg").write_bytes(content.getvalue())
    return root


def test_copies_of_a_face_are_in_one_part_and_counted(tmp_path):
    two_folders(tmp_path)
    message = (
        r"40 of 80 faces are copies of others, pixel for pixel \(crop_part1/10_0_0_20170009\.jpg "
        r"of UTKFace/10_0_0_20170009\.jpg, …\)\. Copies are kept in one part"
    )
    with pytest.warns(DeepNRCWarning, match=message):
        data = load("utkface", tmp_path)
    train, test = (
        part.inputs[torch.arange(len(part))].flatten(1) for part in (data.train, data.test)
    )
    assert (len(train), len(test)) == (64, 16)
    assert float(torch.cdist(test, train).min()) > 0
    found = data.provenance["copies"]
    assert (found["rows"], found["distinct"], found["with_another_target"]) == (80, 40, 0)
    assert len(found["first"]) == 3


def test_copies_are_found_by_their_pixels(folder):
    """The same picture with a comment in its header, under another age."""
    content = io.BytesIO()
    with Image.open(folder / NAMES[0]) as image:
        image.save(content, "JPEG", quality="keep", comment=b"taken again")
    (folder / "33_0_0_1.jpg").write_bytes(content.getvalue())
    with pytest.warns(
        DeepNRCWarning, match=r"1 of 4 faces .*, 1 of them with another age\. Copies"
    ):
        raw = read_faces(folder)
    assert raw.copies.tolist().count(raw.copies[0].item()) == 2


def test_without_copies_the_split_is_that_of_older_versions(folder):
    raw = read_faces(folder)
    assert raw.copies is None
    assert "copies" not in raw.provenance


def test_workers_of_a_loader_read_faces(folder):
    data = load("utkface", folder, test_fraction=0.34)
    again = pickle.loads(pickle.dumps(data.train))
    assert torch.equal(again[0][0], data.train[0][0])


def test_the_checksum_goes_over_names_and_contents(folder):
    first = read_faces(folder).provenance["files"]
    assert read_faces(folder).provenance["files"] == first
    (folder / NAMES[0]).write_bytes(jpeg((1, 2, 3)))
    second = read_faces(folder).provenance["files"]
    (folder / NAMES[0]).rename(folder / ("2" + NAMES[0][1:]))
    third = read_faces(folder).provenance["files"]
    assert len({json.dumps(files) for files in (first, second, third)}) == 3


def test_by_name_ages_stay_in_years(folder):
    data = load("utkface", folder, test_fraction=0.34)
    assert list(data.provenance["files"]) == ["all names and contents"]
    assert data.provenance["scaling"] == {"inputs": "none", "targets": "none"}
    everything = torch.cat([data.train.targets, data.test.targets]).flatten()
    assert sorted(everything.tolist()) == [1, 26, 100]
    batches = list(data.train.loader(1, shuffle=True))
    assert [images.shape for images, _ in batches] == [(1, 3, 128, 128)] * 2
    scaled = load("utkface", folder, test_fraction=0.34, standardize=True)
    assert scaled.train.targets.mean().abs() < 1e-6


def test_folders_without_faces(tmp_path):
    with pytest.raises(FileError, match="gone is not a folder: pass the one with UTKFace's JPEG"):
        read_faces(tmp_path / "gone")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(DataError, match=r"age_gender_race_date\.jpg; got none among 1 files"):
        read_faces(tmp_path)


def test_without_pillow(folder, monkeypatch):
    for module in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ArgumentError, match=r"faces needs PIL, .* install 'deepnrc\[vision\]'`"):
        read_faces(folder)


def test_hugging_face_without_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    message = r"reading 'someone/faces' from Hugging Face needs datasets, .*`pip install datasets`"
    with pytest.raises(ArgumentError, match=message):
        load("utkface", "hf:someone/faces")


def test_a_hugging_face_copy_is_read_by_the_real_library(tmp_path, monkeypatch):
    """Rows as that of py97/UTKFace-Cropped: a key without ending, the bytes of a JPEG."""
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    pytest.importorskip("datasets", reason="optional; pip install datasets")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table
    folder = tmp_path / "faces"
    folder.mkdir()
    pictures = [{"bytes": jpeg(), "path": None} for _ in range(4)]
    pictures[3]["bytes"] = pictures[3]["bytes"][:100]
    keys = ["23_0_1_20170101", "45_1_2_20170102", "no_face", "61_0_1_20170103"]
    rows = table({"__key__": keys, "jpg.chip.jpg": pictures})
    parquet.write_table(rows, folder / "train-00000-of-00001.parquet")
    with pytest.warns(DeepNRCWarning, match="1 badly named .no_face.jpg.; 1 unreadable"):
        raw = read_faces(Path(f"hf:{folder}"))
    assert raw.targets.flatten().tolist() == [23.0, 45.0]
    assert raw.inputs[torch.tensor([1])].shape == (1, 3, 128, 128)
