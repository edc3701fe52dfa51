"""UTKFace: the age in years from a face, read from a folder of JPEG files or from Hugging Face."""

import hashlib
import re
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deepnrc.data.sets.face_images import SIZE, WORKERS, FaceImages, decode, decoding_errors
from deepnrc.data.source import RawData, Source
from deepnrc.errors import DataError, DeepNRCWarning, FileError
from deepnrc.support.optional import optional_import

__all__ = ["UTKFACE", "age_of", "read_faces"]

_NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_(\d+)\.jpe?g(\.chip\.jpe?g)?", re.IGNORECASE)
_OLDEST = 116
_HUGGING_FACE = "hf:"


def read_faces(path: Path, *, split: str = "train") -> RawData:
    """Ages and faces; files without a readable age or image are counted, listed and left out.

    Every image is decoded once here, so that none fails in the middle of training.

    Args:
        path: The folder of UTKFace, whose files are named ``age_gender_race_date.jpg``, in it or
            in folders below; or ``hf:OWNER/NAME`` for a copy on Hugging Face.
        split: Of the copy on Hugging Face.

    Raises:
        ArgumentError: Pillow, or for Hugging Face ``datasets``, is not installed.
        DataError: No file is left.
        FileError: The folder does not exist.

    Warns:
        DeepNRCWarning: Files are left out; the message counts them and names the first.
    """
    optional_import("PIL.Image", purpose="decoding faces", extra="vision")
    if str(path).startswith(_HUGGING_FACE):
        return _read_hugging_face(str(path).removeprefix(_HUGGING_FACE), split)
    if not path.is_dir():
        raise FileError(f"{path} is not a folder: pass the one with UTKFace's JPEG files")
    files = sorted(
        (p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")),
        key=lambda p: p.relative_to(path).as_posix(),
    )
    names = [p.relative_to(path).as_posix() for p in files]
    usable = _usable(names, lambda row: files[row].read_bytes())
    if not usable.rows:
        raise DataError(
            f"{path} must hold JPEG files named age_gender_race_date.jpg; got none among "
            f"{len(files)} files: pass the folder that UTKFace's archive unpacks to"
        )
    kept = [files[row] for row in usable.rows]
    return _faces(usable, lambda row: kept[row].read_bytes(), f"the UTKFace folder {path.name}")


def age_of(name: str) -> int | None:
    """The age in years from a file's name; None if the name is not of UTKFace's form."""
    match = _NAME.fullmatch(name.rsplit("/", 1)[-1])
    age = int(match[1]) if match else -1
    return age if 0 <= age <= _OLDEST else None


@dataclass(frozen=True)
class _Usable:
    """The rows with an age and an image, the files left out, and a checksum.

    Attributes:
        rows: Row numbers among all files.
        ages: In years, of these rows.
        badly_named: Names without an age.
        unreadable: Names of files without an image.
        sha256: Over names and contents of the usable files.
    """

    rows: list[int]
    ages: list[int]
    badly_named: list[str]
    unreadable: list[str]
    sha256: str


def _usable(names: list[str], content: Callable[[int], bytes]) -> _Usable:
    def digest(row: int) -> bytes | None:
        try:
            data = content(row)
            decode(data)
        except decoding_errors():
            return None
        return hashlib.sha256(data).digest()

    ages = [age_of(name) for name in names]
    named = [row for row, age in enumerate(ages) if age is not None]
    with ThreadPoolExecutor(WORKERS) as pool:
        digests = dict(zip(named, pool.map(digest, named), strict=True))
    rows = [row for row in named if digests[row] is not None]
    total = hashlib.sha256()
    for row in rows:
        total.update(f"{names[row]}\n".encode() + (digests[row] or b""))
    return _Usable(
        rows=rows,
        ages=[age for row in rows if (age := ages[row]) is not None],
        badly_named=[name for name, age in zip(names, ages, strict=True) if age is None],
        unreadable=[names[row] for row in named if digests[row] is None],
        sha256=total.hexdigest(),
    )


def _faces(usable: _Usable, content: Callable[[int], bytes], origin: str) -> RawData:
    """The set of the usable rows; warns of the files left out."""
    left_out = {"badly named": usable.badly_named, "unreadable": usable.unreadable}
    counts = [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for kind, names in left_out.items()
        if names
    ]
    if counts:
        warnings.warn(
            f"{origin}: files left out: {'; '.join(counts)}. All are listed in the provenance as "
            "'left_out'",
            DeepNRCWarning,
            stacklevel=4,
        )
    count = len(usable.rows)
    missing = sum(map(len, left_out.values()))
    return RawData(
        inputs=FaceImages(content, count),
        targets=torch.tensor(usable.ages, dtype=torch.float32)[:, None],
        input_names=("image",),
        target_names=("age (years)",),
        provenance={
            "data": "utkface",
            "made_from": f"{origin}, {count} faces, {missing} files left out",
            "files": {"all names and contents": usable.sha256},
            "left_out": left_out,
            "images": f"resized to {SIZE} × {SIZE} (bilinear), (pixel / 255 - 0.5) / 0.5",
        },
    )


def _read_hugging_face(name: str, split: str) -> RawData:
    datasets = optional_import(
        "datasets", purpose=f"reading '{name}' from Hugging Face", package="datasets"
    )
    table: Any = datasets.load_dataset(name, split=split)
    keys = _column(name, table.column_names, ("__key__", "file_name", "filename", "path"))
    image = _column(name, table.column_names, ("jpg.chip.jpg", "image", "jpg"))
    table = table.cast_column(image, datasets.Image(decode=False))

    def content(row: int) -> bytes:
        return bytes(table[row][image]["bytes"])

    # Data sets in the WebDataset format leave the ending out of the key.
    names = [key if "." in Path(key).name else f"{key}.jpg" for key in table[keys]]
    usable = _usable(names, content)
    if not usable.rows:
        raise DataError(f"{name} must have keys age_gender_race_date; got none in '{keys}'")
    return _faces(
        usable, lambda row: content(usable.rows[row]), f"UTKFace on Hugging Face ({name}, {split})"
    )


def _column(name: str, columns: list[str], wanted: tuple[str, ...]) -> str:
    for column in wanted:
        if column in columns:
            return column
    raise DataError(
        f"{name} must have one of the columns {', '.join(wanted)}; got {', '.join(columns)}: "
        "download the images and pass their folder"
    )


UTKFACE = Source(
    name="utkface",
    summary="The age in years from a face",
    origin="UTKFace, https://susanqq.github.io/UTKFace (Zhang, Song and Qi 2017)",
    licence="non-commercial research only, images © their owners",
    targets=("age (years)",),
    standardize=False,
    scaling="none",
    read_real=read_faces,
    options={"split": "of a copy on Hugging Face (path='hf:OWNER/NAME'), 'train'"},
    extra="vision",
)
