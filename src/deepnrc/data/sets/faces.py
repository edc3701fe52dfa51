"""UTKFace: the age in years from a face, read from a folder of JPEG files or from Hugging Face."""

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deepnrc.data.access.files import copies_of_rows, files_below
from deepnrc.data.sets.face_images import (
    LARGEST,
    SIZE,
    WORKERS,
    FaceImages,
    TooLargeError,
    decode,
    decoding_errors,
)
from deepnrc.data.source import RawData, Source
from deepnrc.errors import DataError, DeepNRCWarning, FileError
from deepnrc.support.optional import optional_import

__all__ = ["UTKFACE", "age_of", "read_faces"]

_NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_(\d+)\.jpe?g(\.chip\.jpe?g)?", re.IGNORECASE)
_OLDEST = 116
_HUGGING_FACE = "hf:"


def read_faces(path: Path, *, split: str = "train") -> RawData:
    """Ages and faces; files without a readable age or image are counted, listed and left out.

    Every image is decoded once here, so that none fails in the middle of training. Images of the
    same pixels, as in Kaggle's archive with the folders UTKFace and crop_part1, are kept in one
    part of a split.

    Args:
        path: The folder of UTKFace, whose files are named ``age_gender_race_date.jpg``, in it or
            in folders below; or ``hf:OWNER/NAME`` for a copy on Hugging Face.
        split: Of the copy on Hugging Face.

    Raises:
        ArgumentError: Pillow, or for Hugging Face ``datasets``, is not installed.
        DataError: No file is left.
        FileError: The folder does not exist.

    Warns:
        DeepNRCWarning: Files are left out, or are copies of others; the message counts them and
            names the first.
    """
    optional_import("PIL.Image", purpose="decoding faces", extra="vision")
    if str(path).startswith(_HUGGING_FACE):
        return _read_hugging_face(str(path).removeprefix(_HUGGING_FACE), split)
    if not path.is_dir():
        raise FileError(f"{path} is not a folder: pass the one with UTKFace's JPEG files")
    files = files_below(path)
    names = [p.relative_to(path).as_posix() for p in files]
    usable = _usable(names, _Files(tuple(files)))
    if not usable.rows:
        raise DataError(
            f"{path} must hold JPEG files named age_gender_race_date.jpg; got none among "
            f"{len(files)} files: pass the folder that UTKFace's archive unpacks to"
        )
    kept = _Files(tuple(files[row] for row in usable.rows))
    return _faces(usable, kept, f"the UTKFace folder {path.name}")


def age_of(name: str) -> int | None:
    """The age in years from a file's name; None if the name is not of UTKFace's form."""
    match = _NAME.fullmatch(name.rsplit("/", 1)[-1])
    age = int(match[1]) if match else -1
    return age if 0 <= age <= _OLDEST else None


@dataclass(frozen=True)
class _Files:
    """The bytes of a file by its row; worker processes can be given it."""

    paths: tuple[Path, ...]

    def __call__(self, row: int) -> bytes:
        return self.paths[row].read_bytes()


@dataclass(frozen=True)
class _Rows:
    """The bytes of an image of a Hugging Face table by its row among the chosen rows."""

    table: Any
    column: str
    chosen: Sequence[int]

    def __call__(self, row: int) -> bytes:
        return bytes(self.table[self.chosen[row]][self.column]["bytes"])


@dataclass(frozen=True)
class _Usable:
    """The rows with an age and an image, the files left out, and a checksum.

    Attributes:
        rows: Row numbers among all files.
        names: Of these rows.
        ages: In years, of these rows.
        pixels: Checksum of each of their images as a network sees it.
        left_out: Names by the reason.
        sha256: Over names and contents of the usable files.
    """

    rows: list[int]
    names: list[str]
    ages: list[int]
    pixels: list[bytes]
    left_out: dict[str, list[str]]
    sha256: str


def _usable(names: list[str], content: Callable[[int], bytes]) -> _Usable:
    def digests(row: int) -> tuple[bytes, bytes] | str:
        """Checksums of the file and of its pixels, or why it is left out."""
        try:
            data = content(row)
            return hashlib.sha256(data).digest(), hashlib.sha256(decode(data).tobytes()).digest()
        except TooLargeError as error:
            return f"{names[row]} with {error}"
        except decoding_errors():
            return ""

    ages = [age_of(name) for name in names]
    named = [row for row, age in enumerate(ages) if age is not None]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip(named, pool.map(digests, named), strict=True))
    good = {row: both for row, both in found.items() if not isinstance(both, str)}
    large = [text for text in found.values() if isinstance(text, str) and text]
    total = hashlib.sha256()
    for row, (file, _) in good.items():
        total.update(f"{names[row]}\n".encode() + file)
    return _Usable(
        rows=list(good),
        names=[names[row] for row in good],
        ages=[age for row in good if (age := ages[row]) is not None],
        pixels=[pixels for _, pixels in good.values()],
        left_out={
            "badly named": [name for name, age in zip(names, ages, strict=True) if age is None],
            "unreadable": [names[row] for row in named if found[row] == ""],
        }
        | ({f"above {LARGEST:,} pixels": large} if large else {}),
        sha256=total.hexdigest(),
    )


def _faces(usable: _Usable, content: Callable[[int], bytes], origin: str) -> RawData:
    """The set of the usable rows; warns of the files left out and of copies."""
    counts = [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for kind, names in usable.left_out.items()
        if names
    ]
    if counts:
        warnings.warn(
            f"{origin}: files left out: {'; '.join(counts)}. All are listed in the provenance as "
            "'left_out'",
            DeepNRCWarning,
            stacklevel=4,
        )
    copies = copies_of_rows(usable.pixels)
    count = len(usable.rows)
    missing = sum(map(len, usable.left_out.values()))
    provenance: dict[str, object] = {
        "data": "utkface",
        "made_from": f"{origin}, {count} faces, {missing} files left out",
        "files": {"all names and contents": usable.sha256},
        "left_out": usable.left_out,
        "images": f"resized to {SIZE} × {SIZE} (bilinear), (pixel / 255 - 0.5) / 0.5",
    }
    if copies is not None:
        provenance["copies"] = _told(usable, copies, origin)
    return RawData(
        inputs=FaceImages(content, count),
        targets=torch.tensor(usable.ages, dtype=torch.float32)[:, None],
        input_names=("image",),
        target_names=("age (years)",),
        provenance=provenance,
        copies=copies,
    )


def _told(usable: _Usable, copies: torch.Tensor, origin: str) -> dict[str, object]:
    """What is known of copies, for the provenance; warns of them."""
    firsts = copies.tolist()
    again = [row for row, first in enumerate(firsts) if row != first]
    pairs = [f"{usable.names[row]} of {usable.names[firsts[row]]}" for row in again]
    ages = sum(usable.ages[row] != usable.ages[firsts[row]] for row in again)
    warnings.warn(
        f"{origin}: {len(again)} of {len(firsts)} faces are copies of others, pixel for pixel "
        f"({pairs[0]}{', …' if len(pairs) > 1 else ''})"
        + (f", {ages} of them with another age" if ages else "")
        + ". Copies are kept in one part of a split, so that the test part is new; they count "
        "twice in every mean: pass the folder of one of them to read each face once",
        DeepNRCWarning,
        stacklevel=5,
    )
    return {
        "rows": len(firsts),
        "distinct": len(firsts) - len(again),
        "with_another_target": ages,
        "first": pairs[:3],
        "split": "copies are in one part",
    }


def _read_hugging_face(name: str, split: str) -> RawData:
    datasets = optional_import(
        "datasets", purpose=f"reading '{name}' from Hugging Face", package="datasets"
    )
    table: Any = datasets.load_dataset(name, split=split)
    keys = _column(name, table.column_names, ("__key__", "file_name", "filename", "path"))
    image = _column(name, table.column_names, ("jpg.chip.jpg", "image", "jpg"))
    table = table.cast_column(image, datasets.Image(decode=False))
    # Data sets in the WebDataset format leave the ending out of the key.
    names = [key if "." in Path(key).name else f"{key}.jpg" for key in table[keys]]
    usable = _usable(names, _Rows(table, image, range(len(names))))
    if not usable.rows:
        raise DataError(f"{name} must have keys age_gender_race_date; got none in '{keys}'")
    rows = _Rows(table, image, usable.rows)
    return _faces(usable, rows, f"UTKFace on Hugging Face ({name}, {split})")


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
