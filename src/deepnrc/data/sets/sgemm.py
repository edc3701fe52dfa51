"""SGEMM: measured run times of a GPU matrix multiplication for its tuning parameters (UCI 440)."""

import zipfile
import zlib
from pathlib import Path

from deepnrc.data.columns import column_matrix
from deepnrc.data.source import Download, RawData, Source
from deepnrc.errors import DataError, FileError

__all__ = ["SGEMM", "read_sgemm"]

MEMBER = "sgemm_product.csv"
INPUTS = (
    *("MWG", "NWG", "KWG", "MDIMC", "NDIMC", "MDIMA", "NDIMB", "KWI", "VWM", "VWN"),
    *("STRM", "STRN", "SA", "SB"),
)
TARGETS = tuple(f"Run{run} (ms)" for run in range(1, 5))
ROWS = 241_600
_LARGEST = 1 << 30  # bytes uncompressed, about fifty times the real table


def read_sgemm(path: Path) -> RawData:
    """The 14 parameters and 4 run times of ``sgemm_product.csv``.

    Args:
        path: The CSV file, the zip archive as UCI publishes it, or a folder with one of them.

    Raises:
        DataError: A column is missing, unknown, or holds something other than numbers.
        FileError: The file is missing, damaged, or an archive without the CSV.
        NonFiniteError: A column holds NaN or infinity.
    """
    import pandas as pd  # noqa: PLC0415  - slow to import

    path = _file(path)
    try:
        if path.suffix.lower() == ".zip":
            with (
                zipfile.ZipFile(path) as archive,
                archive.open(_member(archive, path)) as file,
            ):
                frame = pd.read_csv(file)
        else:
            frame = pd.read_csv(path)
    except FileError:
        raise
    # pandas' errors are ValueErrors; zlib's and zipfile's are not.
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(
            f"{path} cannot be read as UCI's table ({error}): it may be damaged or truncated; "
            "download it again with `deepnrc data fetch sgemm`"
        ) from error
    frame.columns = [str(column).strip() for column in frame.columns]
    extra = [column for column in frame.columns if column not in (*INPUTS, *TARGETS)]
    if extra:
        raise DataError(
            f"{path} must have only the 18 columns of UCI's table; got also '{extra[0]}': load "
            "another table as the set `tabular`"
        )
    n = len(frame)
    made_from = f"the real SGEMM table (UCI 440), {n:,} of {ROWS:,} rows"
    return RawData(
        inputs=column_matrix(frame, INPUTS, path=path),
        targets=column_matrix(frame, TARGETS, path=path),
        input_names=INPUTS,
        target_names=TARGETS,
        provenance={"data": "sgemm", "made_from": made_from},
    )


def _file(path: Path) -> Path:
    if path.is_dir():
        for file in (path / MEMBER, *sorted(path.glob("*.zip"))):
            if file.is_file():
                return file
        raise FileError(f"{path} must hold {MEMBER} or UCI's zip archive; got neither")
    if not path.is_file():
        raise FileError(
            f"{path} does not exist: check the path, or download it with `deepnrc data fetch sgemm`"
        )
    return path


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    """The table's name in the archive; it is read there, nothing is unpacked to disk."""
    names = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] == MEMBER]
    if len(names) != 1:
        raise FileError(f"{path} must contain {MEMBER} once; got {', '.join(archive.namelist())}")
    size = archive.getinfo(names[0]).file_size
    if size > _LARGEST:
        raise FileError(
            f"{path} must contain a table of tens of megabytes; got {size:,} bytes uncompressed"
        )
    return names[0]


SGEMM = Source(
    name="sgemm",
    summary="Run times of a GPU matrix multiplication by its tuning parameters, 4 runs each",
    origin="UCI 440, https://doi.org/10.24432/C5MK70 (Ballester-Ripoll et al. 2017)",
    licence="CC BY 4.0",
    targets=TARGETS,
    read_real=read_sgemm,
    downloads=(
        Download(
            url="https://archive.ics.uci.edu/static/public/440/sgemm+gpu+kernel+performance.zip",
            file="sgemm_product.zip",
            sha256=None,
        ),
    ),
)
