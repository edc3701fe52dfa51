"""HDF5 files in the layout of Codevilla et al.: images, and 28 columns of targets.

Each file holds ``rgb``, frames × height × width × 3, uint8, the camera images, and ``targets``,
frames × 28, float32, what was measured and commanded at that moment. [C18] = Codevilla et al.,
End-to-end Driving via Conditional Imitation Learning, ICRA 2018; the columns are listed in the
README of github.com/carla-simulator/imitation-learning.
"""

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepnrc.data.access.hdf5 import check_chunk, check_dataset, hdf5_errors, open_hdf5
from deepnrc.data.access.shards import Shard, ShardImages
from deepnrc.data.access.sizes import DAMAGED
from deepnrc.errors import DeepNRCWarning, FileError, NonFiniteError

__all__ = [
    "COLUMNS",
    "FRAMES_PER_FILE",
    "IMAGES",
    "TARGETS",
    "TARGET_COLUMNS",
    "Drives",
    "read_drives",
    "read_file",
    "write_file",
]

COLUMNS = {
    "steering": 0,  # the driver's command, -1 full left to 1 full right
    "gas": 1,
    "brake": 2,
    "applied_steering": 5,  # the car's steering: the driver's and, at times, a disturbance
    "position_x": 8,
    "position_y": 9,
    "speed": 10,
    "disturbed": 25,  # 1 while the disturbance lasts
}
"""The columns of ``targets`` that this package reads or writes, counted from 0."""

FRAMES_PER_FILE = 200
IMAGES, TARGETS, TARGET_COLUMNS = "rgb", "targets", 28
_ADVICE = "leave the file out, or compare it with the original if it was copied"


@dataclass(frozen=True, eq=False)
class Drives:
    """The content of some HDF5 files.

    Attributes:
        images: On disk, in the order of the files.
        targets: (n, t), float32, in the files' own units.
        files: Number of files.
    """

    images: ShardImages
    targets: npt.NDArray[np.float32]
    files: int


def read_drives(
    files: Sequence[Path], names: Sequence[str], *, size: tuple[int, int] | None = None
) -> Drives:
    """Read the targets of HDF5 files and locate the images, which stay on disk.

    Args:
        files: In the order of the frames, at least one; any number of frames in each.
        names: Of the targets, from `COLUMNS`.
        size: Height and width that images must have; None is that of the first file.

    Raises:
        FileError: A file is damaged or of another layout; the message names it.
        NonFiniteError: A target is NaN or infinite; the message names the file.

    Warns:
        DeepNRCWarning: Images are stored such that reading them in random order is slow.
    """
    shards: list[Shard] = []
    parts: list[npt.NDArray[np.float32]] = []
    shared_chunks = 0
    for path in files:
        with hdf5_errors(path), contextlib.closing(open_hdf5(path)) as file:
            images, targets = _datasets(path, file, size)
            size = images.shape[1:3]
            values = _values(path, targets).astype(np.float32)
            parts.append(values[:, [COLUMNS[name] for name in names]])
            _check_finite(path, parts[-1], names)
            # A user block before the HDF5 part would shift the offset that HDF5 reports.
            offset = images.id.get_offset() if file.userblock_size == 0 else None
            check_chunk(path, IMAGES, images)
            shards.append(Shard(path, len(images), offset, path.stat().st_mtime_ns))
            shared_chunks += images.chunks is not None and images.chunks[0] > 1
    if shared_chunks:
        warnings.warn(
            f"{files[0].parent}: in {shared_chunks} of {len(files)} files images share chunks, so "
            "that reading one decompresses many, dozens of times the work; rewrite them once with "
            "deepnrc.data.sets.driving.carla.rewrite_carla(folder, new_folder)",
            DeepNRCWarning,
            stacklevel=3,
        )
    assert size is not None  # because there is a file
    return Drives(
        images=ShardImages(shards, height=size[0], width=size[1], dataset=IMAGES),
        targets=np.concatenate(parts),
        files=len(shards),
    )


def read_file(
    path: Path, *, size: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """All images and all 28 columns of the targets of one file.

    Raises:
        FileError: The file is damaged or of another layout.
    """
    with hdf5_errors(path), contextlib.closing(open_hdf5(path)) as file:
        images, targets = _datasets(path, file, size)
        return _values(path, images), _values(path, targets)


def write_file(
    path: Path,
    images: npt.NDArray[np.uint8],
    targets: npt.NDArray[np.float32],
    *,
    compressed: bool = False,
) -> None:
    """Write one file.

    Args:
        path: The file; it must not exist yet.
        images: (n, height, width, 3).
        targets: (n, 28).
        compressed: Whether each image is a gzip-compressed chunk: for drawn pictures a fraction of
            the size, at a tenth of the reading rate.
    """
    import h5py  # noqa: PLC0415  # optional; open_hdf5 or the caller has imported it before

    options = {"chunks": (1, *images.shape[1:]), "compression": "gzip"} if compressed else {}
    with h5py.File(path, "x") as file:
        file.create_dataset(IMAGES, data=images, **options)
        file.create_dataset(TARGETS, data=targets)


def _datasets(path: Path, file: Any, size: tuple[int, int] | None) -> tuple[Any, Any]:
    """The images and targets of an open file, with their layout checked."""
    images, targets = _stored(path, file, IMAGES), _stored(path, file, TARGETS)
    height, width = (*(size or images.shape[1:3]), 0, 0)[:2]  # 0: images of too few axes
    if images.ndim != 4 or images.shape[1:] != (height, width, 3) or images.dtype != np.uint8:
        raise FileError(
            f"{path}: '{IMAGES}' must have the shape (frames, {height}, {width}, 3) and type "
            f"uint8; got {images.shape} and {images.dtype}: {_ADVICE}"
        )
    expected = (len(images), TARGET_COLUMNS)
    if targets.shape != expected or targets.dtype.kind != "f":
        raise FileError(
            f"{path}: '{TARGETS}' must have the shape {expected}, one row per image, and a "
            f"floating-point type; got {targets.shape} and {targets.dtype}: {_ADVICE}"
        )
    if not len(images):
        raise FileError(f"{path} must hold at least one frame; got none: leave the file out")
    return images, targets


def _stored(path: Path, file: Any, name: str) -> Any:
    """A dataset that is stored in this file itself."""
    import h5py  # noqa: PLC0415  # optional; the file is open, so it is there

    if name not in file or not isinstance(file[name], h5py.Dataset):
        raise FileError(
            f"{path} must hold the datasets '{IMAGES}' and '{TARGETS}'; got "
            f"{', '.join(map(repr, file)) or 'an empty file'}: {_ADVICE}"
        )
    dataset = file[name]
    # A file from elsewhere must not make us read another file that it points to.
    linked = isinstance(file.get(name, getlink=True), h5py.ExternalLink)
    if linked or dataset.is_virtual or dataset.external:
        raise FileError(
            f"{path}: '{name}' must be stored in this file; got a reference to another file: "
            f"{_ADVICE}"
        )
    return dataset


def _values(path: Path, dataset: Any) -> npt.NDArray[Any]:
    """All values of a dataset."""
    check_dataset(path, dataset.name[1:], dataset)
    try:
        values: npt.NDArray[Any] = dataset[()]
    except OSError as error:
        raise FileError(
            f"{path}: '{dataset.name[1:]}' cannot be read ({error}): the file is damaged; {DAMAGED}"
        ) from error
    return values


def _check_finite(path: Path, targets: npt.NDArray[np.float32], names: Sequence[str]) -> None:
    bad = np.argwhere(~np.isfinite(targets))
    if len(bad):
        row, column = bad[0]
        raise NonFiniteError(
            f"{path}: targets must be finite; got {targets[row, column]} for {names[column]} in "
            f"frame {row}, counted from 0 ({len(np.unique(bad[:, 0]))} such frames in this file): "
            "leave the file out",
            row=int(row),
        )
