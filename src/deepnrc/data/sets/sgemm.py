"""SGEMM: measured run times of a GPU matrix multiplication for its tuning parameters (UCI 440)."""

import zipfile
from pathlib import Path

import torch

from deepnrc.data.source import Download, RawData, Source
from deepnrc.data.tables.options import READING, read_options
from deepnrc.data.tables.reading import complete_rows, open_table
from deepnrc.errors import DataError, FileError

__all__ = ["SGEMM", "read_sgemm"]

MEMBER = "sgemm_product.csv"
INPUTS = (
    *("MWG", "NWG", "KWG", "MDIMC", "NDIMC", "MDIMA", "NDIMB", "KWI", "VWM", "VWN"),
    *("STRM", "STRN", "SA", "SB"),
)
TARGETS = tuple(f"Run{run} (ms)" for run in range(1, 5))
ROWS = 241_600


def read_sgemm(path: Path, *, missing: str | None = None, na_values: object = None) -> RawData:
    """The 14 parameters and 4 run times of ``sgemm_product.csv``.

    Args:
        path: The CSV file, the zip archive as UCI publishes it, or a folder with one of them.
        missing: ``"drop"`` leaves rows with missing values out; by default they are refused.
        na_values: Further texts and numbers that stand for a missing value.

    Raises:
        DataError: A column is missing, unknown, or holds something other than numbers.
        FileError: The file is missing, damaged, or an archive without the CSV.
        NonFiniteError: A value is infinite, or missing and ``missing="drop"`` was not given.
    """
    path = _file(path)
    member = _member(path) if path.suffix.lower() == ".zip" else None
    options = read_options(member=member, missing=missing, na_values=na_values)
    table = open_table(path, options)
    names = [*INPUTS, *TARGETS]
    extra = [column for column in table.columns if column not in names]
    if extra:
        raise DataError(
            f"{path} must have only the 18 columns of UCI's table; got also '{extra[0]}': load "
            "another table as the set `tabular`"
        )
    rows = complete_rows(path, table.read(names), names, len(TARGETS), drop=options.drop_missing)
    values = torch.from_numpy(rows.values)
    n = len(values)
    made_from = f"the real SGEMM table (UCI 440), {n:,} of {ROWS:,} rows"
    return RawData(
        inputs=values[:, : len(INPUTS)].clone(),
        targets=values[:, len(INPUTS) :].clone(),
        input_names=INPUTS,
        target_names=TARGETS,
        provenance={"data": "sgemm", "made_from": made_from, **rows.facts},
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


def _member(path: Path) -> str:
    """The table's name in the archive; it is read there, nothing is unpacked to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.namelist()
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise FileError(
            f"{path} cannot be read as a zip archive ({error}): it is damaged or incomplete; "
            "download it again with `deepnrc data fetch sgemm`"
        ) from error
    names = [name for name in found if name.rsplit("/", 1)[-1] == MEMBER]
    if len(names) != 1:
        raise FileError(f"{path} must contain {MEMBER} once; got {', '.join(found)}")
    return names[0]


SGEMM = Source(
    name="sgemm",
    summary="Run times of a GPU matrix multiplication by its tuning parameters, 4 runs each",
    origin="UCI 440, https://doi.org/10.24432/C5MK70 (Ballester-Ripoll et al. 2017)",
    licence="CC BY 4.0",
    targets=TARGETS,
    options={name: READING[name] for name in ("missing", "na_values")},
    read_real=read_sgemm,
    downloads=(
        Download(
            url="https://archive.ics.uci.edu/static/public/440/sgemm+gpu+kernel+performance.zip",
            file="sgemm_product.zip",
            sha256=None,
        ),
    ),
)
