"""Compressed text, encodings, and files that are not what their names say."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from data.tables.test_text import read
from deepnrc.data.access import sizes
from deepnrc.errors import ArgumentError, FileError

TABLE = b"a,y\n1,2\n"


def archive(*names, content=TABLE):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, content)
    return packed.getvalue()


PACKED = {
    "t.csv.gz": gzip.compress(TABLE),
    "t.csv.xz": lzma.compress(TABLE),
    "T.CSV.BZ2": bz2.compress(TABLE),
    "t.tsv.gz": gzip.compress(TABLE.replace(b",", b"\t")),
    "two.csv.gz": gzip.compress(b"a,y\n") + gzip.compress(b"1,2\n"),
    "t.zip": archive("folder/t.csv", "__MACOSX/t.csv", "readme.md", ".hidden.csv"),
}


@pytest.mark.parametrize("name", PACKED)
def test_compressed_text_by_the_files_ending(tmp_path, name):
    assert read(tmp_path, PACKED[name], name=name).values.tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.xz", "T.CSV.BZ2", "t.zip"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_compressed_text_that_is_cut(tmp_path, name, share):
    content = PACKED[name]
    message = r" is empty|cannot be read \(.*\): it is damaged or incomplete; compare its size and"
    with pytest.raises(FileError, match=message):
        read(tmp_path, content[: int(share * len(content))], name=name)


def test_archives_with_several_tables(tmp_path):
    content = archive("one.csv", "two.csv")
    with pytest.raises(ArgumentError, match=r"hold one table .*, or member='…' name it; got 'one"):
        read(tmp_path, content, name="t.zip")
    assert read(tmp_path, content, name="t.zip", member="two.csv").values.tolist() == [[1, 2]]
    with pytest.raises(ArgumentError, match=r"got 'one\.csv', 'two\.csv'"):
        read(tmp_path, content, name="t.zip", member="three.csv")
    with pytest.raises(ArgumentError, match="got no file"):
        read(tmp_path, archive(), name="t.zip")


OTHERS = [
    (gzip.compress(TABLE), "gzip: let its name end in .gz"),
    (lzma.compress(TABLE), "xz: let"),
    (bz2.compress(TABLE), "bzip2: let"),
    (archive("t.csv"), r"a zip archive, as of a spreadsheet \(\.xlsx\): export it as CSV"),
    (b"PAR1....", "Parquet: let its name end in .parquet"),
    (b"\x89HDF\r\n\x1a\n", "HDF5: let its name end in .h5"),
    (b"\x93NUMPY\x01", r"NumPy's format: let its name end in \.npy"),
    (b"<!doctype html>", "a web page: the address gave a page in place of the file"),
]


@pytest.mark.parametrize(("content", "kind"), OTHERS)
def test_files_of_another_format(tmp_path, content, kind):
    with pytest.raises(FileError, match=f"t.csv must be text as its name says; got {kind}"):
        read(tmp_path, content)


def test_encodings(tmp_path):
    latin, wide = "é,y\n1,2\n".encode("latin-1"), "é,y\n1,2\n".encode("utf-16")
    message = r"must be text in utf-8; got the byte 0xe9, which cannot .*: pass encoding=…, often"
    with pytest.raises(FileError, match=message):
        read(tmp_path, latin)
    assert read(tmp_path, latin, ["é"], encoding="latin-1").values.tolist() == [[1]]
    message = (
        "begins with the byte-order mark of UTF-16, which UTF-8 does not: pass encoding='utf-16'"
    )
    with pytest.raises(FileError, match=message):
        read(tmp_path, wide)
    assert read(tmp_path, wide, ["é"], encoding="utf-16").values.tolist() == [[1]]
    with pytest.raises(FileError, match="mark of UTF-8, which encoding='iso8859-1' does not: pass"):
        read(tmp_path, b"\xef\xbb\xbfa,y\n1,2\n", encoding="latin-1")
    with pytest.raises(FileError, match=r"must be text in utf-16"):
        read(tmp_path, b"a", encoding="utf-16")
    with pytest.raises(FileError, match=r"line 1 must be text; got a zero byte: .* 'utf-16-le'"):
        read(tmp_path, "a,y\n".encode("utf-16-le"))


def test_an_invalid_byte_far_down_is_found(tmp_path):
    with pytest.raises(FileError, match="got the byte 0xff"):
        read(tmp_path, TABLE + b"1,2\n" * 50000 + b"\xff,2\n")


@pytest.mark.parametrize(
    ("name", "pack"),
    [("t.csv.gz", gzip.compress), ("t.csv.xz", lzma.compress), ("t.csv.bz2", bz2.compress),
     ("t.zip", lambda content: archive("t.csv", content=content)), ("t.csv", bytes)],
)  # fmt: skip
def test_what_becomes_larger_than_memory_is_refused(tmp_path, monkeypatch, name, pack):
    monkeypatch.setattr(sizes, "largest", lambda: 100_000)
    monkeypatch.setattr("deepnrc.data.tables.opening.largest", lambda: 100_000)
    content = pack(b"a,y\n" + b"1,2\n" * 50_000)
    message = r"t\..* claims [\d,]+ bytes; at most 100,000, half of this machine's memory, are read"
    with pytest.raises(FileError, match=message):
        read(tmp_path, content, name=name)


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("deepnrc.data.tables.opening._LONGEST", 1000)
    with pytest.raises(FileError, match=r"fewer than 1,000 characters; line 2 has more: it is no"):
        read(tmp_path, b"a,y\n" + b"1" * 5000)
