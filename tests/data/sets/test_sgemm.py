"""The SGEMM table, on small files in exactly UCI's format."""

import zipfile

import pytest

from deepnrc.data import load, load_raw
from deepnrc.data.sets.sgemm import INPUTS, TARGETS, read_sgemm
from deepnrc.errors import DataError, FileError, NonFiniteError

HEADER = (
    "MWG,NWG,KWG,MDIMC,NDIMC,MDIMA,NDIMB,KWI,VWM,VWN,STRM,STRN,SA,SB,"
    "Run1 (ms),Run2 (ms),Run3 (ms),Run4 (ms)"
)
ROWS = (
    "16,16,16,8,8,8,8,2,1,1,0,0,0,0,115.26,115.87,118.55,115.80",
    "16,16,16,8,8,8,8,2,1,1,0,0,0,1,78.13,78.25,79.25,79.19",
    "128,128,32,32,32,32,32,8,4,4,1,1,1,1,25.96,25.95,25.96,25.97",
)


@pytest.fixture
def csv(tmp_path):
    return write(tmp_path / "sgemm_product.csv")


def write(path, header=HEADER, rows=ROWS, end="\r\n"):
    path.write_bytes(end.join([header, *rows, ""]).encode())
    return path


def pack(path, csv, *, member="sgemm_product.csv"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(csv, member)
        archive.writestr("Readme.txt", "1. Title: SGEMM GPU kernel performance")
    return path


def test_names_are_the_headers():
    assert ",".join(INPUTS + TARGETS) == HEADER


@pytest.mark.parametrize("way", ["csv", "zip", "folder", "folder with zip", "zip with folder"])
def test_columns_and_values(csv, tmp_path, way):
    archive = tmp_path / "sgemm gpu kernel performance.zip"
    if way == "zip":
        path = pack(archive, csv)
    elif way == "zip with folder":
        path = pack(archive, csv, member="data/sgemm_product.csv")
    elif way == "folder with zip":
        pack(archive, csv)
        csv.unlink()
        path = tmp_path
    else:
        path = tmp_path if way == "folder" else csv
    raw = read_sgemm(path)
    assert raw.inputs.shape == (3, 14)
    assert raw.inputs[2].tolist() == [128, 128, 32, 32, 32, 32, 32, 8, 4, 4, 1, 1, 1, 1]
    assert raw.targets[0].tolist() == [115.26, 115.87, 118.55, 115.80]
    assert raw.provenance["made_from"] == "the real SGEMM table (UCI 440), 3 of 241,600 rows"
    assert raw.target_names == ("Run1 (ms)", "Run2 (ms)", "Run3 (ms)", "Run4 (ms)")


def test_by_name(csv):
    data = load("sgemm", csv, test_fraction=0.34, standardize=False)
    assert data.train.targets.shape == (2, 4)
    assert list(data.provenance["files"]) == ["sgemm_product.csv"]
    data = load("sgemm", csv, samples=2, test_fraction=0.5, standardize=False)
    assert len(data.train.targets) == 1


def test_blanks_around_headers_are_no_matter(csv):
    write(csv, header=HEADER.replace(",", ", "))
    assert read_sgemm(csv).targets[1].tolist() == [78.13, 78.25, 79.25, 79.19]


@pytest.mark.parametrize("column", ["KWG", "Run4 (ms)"])
def test_a_missing_column(csv, column):
    place = HEADER.split(",").index(column)

    def without(line):
        cells = line.split(",")
        return ",".join(cells[:place] + cells[place + 1 :])

    write(csv, without(HEADER), [without(row) for row in ROWS])
    with pytest.raises(DataError) as caught:
        read_sgemm(csv)
    assert f"sgemm_product.csv has no column '{column}'" in str(caught.value)


def test_another_table(csv):
    write(csv, f"{HEADER},Run5 (ms)", [f"{row},1.0" for row in ROWS])
    with pytest.raises(DataError, match=r"18 columns of UCI's table; got also 'Run5 \(ms\)': load"):
        read_sgemm(csv)


@pytest.mark.parametrize("value", ["", "nan"])
def test_a_missing_value(csv, value):
    write(csv, rows=[ROWS[0], ROWS[1].replace("79.25", value), ROWS[2]])
    message = (
        r"got 1 in target 'Run3 \(ms\)', in 1 of 3 rows, the first in line 3: pass missing='drop'"
    )
    with pytest.raises(NonFiniteError, match=message):
        read_sgemm(csv)
    raw = load_raw("sgemm", csv, missing="drop")
    assert len(raw.targets) == 2
    assert raw.provenance["made_from"] == "the real SGEMM table (UCI 440), 2 of 241,600 rows"


def test_an_infinite_value(csv):
    write(csv, rows=[ROWS[0], ROWS[1].replace("79.25", "inf"), ROWS[2]])
    with pytest.raises(NonFiniteError, match=r"'Run3 \(ms\)' must be finite; got inf in line 3"):
        read_sgemm(csv)


def test_words_in_a_row(csv):
    write(csv, rows=[ROWS[0], ROWS[1].replace("79.25", "slow"), ROWS[2]])
    with pytest.raises(
        DataError, match=r"line 3: column 'Run3 \(ms\)' must hold .* got 'slow': text"
    ):
        read_sgemm(csv)


def test_a_file_cut_within_a_row(csv):
    csv.write_bytes(csv.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"line 4: .* each of 18 columns; got 15: the line was cut"):
        read_sgemm(csv)


def test_only_a_header(csv):
    write(csv, rows=[])
    with pytest.raises(DataError, match="must have rows of numbers; got none"):
        read_sgemm(csv)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_archive(csv, tmp_path, share):
    archive = pack(tmp_path / "a.zip", csv)
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    with pytest.raises(
        FileError, match=r"a\.zip cannot be read as a zip archive .* `deepnrc data fetch sgemm`"
    ):
        read_sgemm(archive)


def test_an_archive_with_a_flipped_byte(csv, tmp_path):
    archive = pack(tmp_path / "a.zip", csv)
    content = bytearray(archive.read_bytes())
    content[80] ^= 0xFF  # within the compressed table
    archive.write_bytes(content)
    with pytest.raises(
        FileError, match=r"a\.zip cannot be read \(.*\): it is damaged or incomplete"
    ):
        read_sgemm(archive)


def test_archives_without_the_table(csv, tmp_path, monkeypatch):
    archive = pack(tmp_path / "a.zip", csv, member="other.csv")
    with pytest.raises(FileError, match=r"sgemm_product.csv once; got other.csv, Readme.txt"):
        read_sgemm(archive)
    monkeypatch.setattr("deepnrc.data.access.sizes.largest", lambda: 100)
    with pytest.raises(
        FileError, match=r"'sgemm_product\.csv' claims \d+ bytes; at most 100, half"
    ):
        read_sgemm(pack(archive, csv))


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(FileError, match=r"gone\.csv does not exist: check the path, or download"):
        read_sgemm(tmp_path / "gone.csv")
    with pytest.raises(
        FileError, match=r"must hold sgemm_product\.csv or UCI's zip archive; got neither"
    ):
        read_sgemm(tmp_path)
