"""UTKFace: the age in years from a face, read from a folder of JPEG files or from Hugging Face."""

import hashlib
import io
import os
import re
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from deepnrc.data.source import RawData, Source
from deepnrc.errors import DataError, DeepNRCError, DeepNRCWarning, FileError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SOURCES", "age_of", "read_faces"]

SIZE = 128
"""Height and width the images are resized to [RU26, section 4.1]."""

_NAME = re.compile(r"(\d{1,3})_([01])_([0-4])_(\d+)\.jpe?g(\.chip\.jpe?g)?", re.IGNORECASE)
_OLDEST = 116
_HUGGING_FACE = "hf:"
_WORKERS = min(8, os.cpu_count() or 1)  # decoding lets other threads run


@dataclass(frozen=True, eq=False)
class FaceImages:
    """Faces that are decoded when they are asked for: 3 × 128 × 128, (pixel / 255 − .5) / .5.

    Attributes:
        content: Gives the bytes of the JPEG file of a row.
        count: Number of rows.
    """

    content: Callable[[int], bytes]
    count: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""
        return self.count, 3, SIZE, SIZE

    def __len__(self) -> int:
        """Number of images."""
        return self.count

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images of these row numbers, n × 3 × 128 × 128, float32 in [-1, 1]."""
        images = np.empty((len(rows), SIZE, SIZE, 3), dtype=np.uint8)

        def decode(place: int, row: int) -> None:
            images[place] = np.asarray(_decode(self.content(row)))

        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(decode, range(len(rows)), rows.tolist()))
        return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def read_faces(path: Path, *, split: str = "train") -> RawData:
    """Ages and faces; what has no readable age or image is counted, listed and left out.

    Every image is decoded once here, so that none fails in the middle of training.

    Args:
        path: The folder of UTKFace, whose files are named ``age_gender_race_date.jpg``, in it or
            in folders below; or ``hf:OWNER/NAME`` for a copy on Hugging Face.
        split: Of the copy on Hugging Face.

    Raises:
        DataError: if no file is left.
        DeepNRCError: if Hugging Face's ``datasets`` is needed and not installed.
        FileError: if the folder is not there.

    Warns:
        DeepNRCWarning: if files are left out; the message counts them and names the first.
    """
    if str(path).startswith(_HUGGING_FACE):
        return _read_hugging_face(str(path).removeprefix(_HUGGING_FACE), split)
    if not path.is_dir():
        raise FileError(f"{path} is not a folder; pass the one with UTKFace's JPEG files")
    files = sorted(
        (p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")),
        key=lambda p: p.relative_to(path).as_posix(),
    )
    names = [p.relative_to(path).as_posix() for p in files]
    found = _sift(names, lambda row: files[row].read_bytes())
    if not found.kept:
        raise DataError(
            f"{path}: expected JPEG files named age_gender_race_date.jpg, got none among "
            f"{len(files)} files; pass the folder that UTKFace's archive unpacks to"
        )
    kept = [files[row] for row in found.kept]
    return _faces(found, lambda row: kept[row].read_bytes(), f"the UTKFace folder {path.name}")


def age_of(name: str) -> int | None:
    """The age in years from a file's name, or None where the name is not as UTKFace's are."""
    match = _NAME.fullmatch(name.rsplit("/", 1)[-1])
    age = int(match[1]) if match else -1
    return age if 0 <= age <= _OLDEST else None


@dataclass(frozen=True)
class _Sifted:
    kept: list[int]
    ages: list[int]
    badly_named: list[str]
    unreadable: list[str]
    sha256: str


def _sift(names: list[str], content: Callable[[int], bytes]) -> _Sifted:
    """Which rows have an age and an image; the SHA-256 goes over names and contents of those."""

    def check(row: int) -> bytes | None:
        try:
            data = content(row)
            _decode(data)
        except _broken_image():
            return None
        return hashlib.sha256(data).digest()

    ages = [age_of(name) for name in names]
    named = [row for row, age in enumerate(ages) if age is not None]
    with ThreadPoolExecutor(_WORKERS) as pool:
        digests = dict(zip(named, pool.map(check, named), strict=True))
    kept = [row for row in named if digests[row] is not None]
    total = hashlib.sha256()
    for row in kept:
        total.update(f"{names[row]}\n".encode() + (digests[row] or b""))
    return _Sifted(
        kept=kept,
        ages=[age for row in kept if (age := ages[row]) is not None],
        badly_named=[name for name, age in zip(names, ages, strict=True) if age is None],
        unreadable=[names[row] for row in named if digests[row] is None],
        sha256=total.hexdigest(),
    )


def _faces(found: _Sifted, content: Callable[[int], bytes], origin: str) -> RawData:
    left_out = {"badly named": found.badly_named, "unreadable": found.unreadable}
    told = [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for kind, names in left_out.items()
        if names
    ]
    if told:
        warnings.warn(
            f"{origin}: files left out: {'; '.join(told)}. All are listed in the provenance as "
            "'left_out'",
            DeepNRCWarning,
            stacklevel=4,
        )
    count = len(found.kept)
    missing = len(found.badly_named) + len(found.unreadable)
    return RawData(
        inputs=FaceImages(content, count),
        targets=torch.tensor(found.ages, dtype=torch.float32)[:, None],
        input_names=("image",),
        target_names=("age (years)",),
        provenance={
            "data": "utkface",
            "made_from": f"{origin}, {count} faces, {missing} files left out",
            "files": {"all names and contents": found.sha256},
            "left_out": left_out,
            "images": f"resized to {SIZE} × {SIZE} (bilinear), (pixel / 255 - 0.5) / 0.5",
        },
    )


def _decode(data: bytes) -> "Image.Image":
    from PIL import Image  # noqa: PLC0415  - slow to import

    # JPEG alone: the fewer decoders a stranger's file can reach, the better.
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def _broken_image() -> tuple[type[Exception], ...]:
    """What Pillow raises for files that are no whole images, or absurdly large ones."""
    from PIL import Image  # noqa: PLC0415  - slow to import

    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    return (OSError, SyntaxError, ValueError, *bombs)


def _read_hugging_face(name: str, split: str) -> RawData:
    try:
        import datasets  # noqa: PLC0415  # optional
    except ImportError as error:
        raise DeepNRCError(
            f"reading '{name}' from Hugging Face needs datasets, which cannot be imported "
            f"({error}); run `pip install datasets`, or pass the folder of UTKFace's files"
        ) from error
    table: Any = datasets.load_dataset(name, split=split)
    keys = _column(name, table.column_names, ("__key__", "file_name", "filename", "path"))
    image = _column(name, table.column_names, ("jpg.chip.jpg", "image", "jpg"))
    table = table.cast_column(image, datasets.Image(decode=False))

    def content(row: int) -> bytes:
        return bytes(table[row][image]["bytes"])

    # Web data sets leave the ending out of the key.
    names = [key if "." in Path(key).name else f"{key}.jpg" for key in table[keys]]
    found = _sift(names, content)
    if not found.kept:
        raise DataError(f"{name}: expected keys age_gender_race_date, got none in '{keys}'")
    return _faces(
        found, lambda row: content(found.kept[row]), f"UTKFace on Hugging Face ({name}, {split})"
    )


def _column(name: str, columns: Iterable[str], wanted: tuple[str, ...]) -> str:
    for column in wanted:
        if column in columns:
            return column
    raise DataError(
        f"{name}: expected one of the columns {', '.join(wanted)}, got {', '.join(columns)}; "
        "download the images and pass their folder"
    )


SOURCES = (
    Source(
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
    ),
)
