"""CARLA's driving data as Codevilla et al. ship it, and the layout of its HDF5 files.

Each file holds ``rgb``, frames × 88 × 200 × 3, uint8, what a camera on the car saw, and
``targets``, frames × 28, float32, what was measured and commanded at that moment; ``depth`` and
``labels`` are not used here. There are 200 frames a file. [C18] = Codevilla et al., End-to-end
Driving via Conditional Imitation Learning, ICRA 2018; the columns are listed in the README of
github.com/carla-simulator/imitation-learning.
"""

import contextlib
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from deepnrc.data.access.images import Shard, ShardImages, open_hdf5
from deepnrc.data.source import RawData
from deepnrc.errors import DeepNRCWarning, FileError, NonFiniteError

__all__ = [
    "COLUMNS",
    "FRAMES_PER_FILE",
    "TARGET_COLUMNS",
    "Drives",
    "read_carla",
    "read_drives",
    "rewrite_carla",
    "write_drive",
]

COLUMNS = {
    "steering": 0,  # what the driver wanted, -1 full left to 1 full right
    "gas": 1,
    "brake": 2,
    "applied_steering": 5,  # what the car did: the driver's and, at times, a disturbance
    "position_x": 8,
    "position_y": 9,
    "speed": 10,
    "disturbed": 25,  # 1 while the disturbance lasts
}
"""The columns of ``targets`` that this package reads or writes, counted from 0."""

FRAMES_PER_FILE = 200
IMAGES, TARGETS, TARGET_COLUMNS = "rgb", "targets", 28
HEIGHT, WIDTH = 88, 200


@dataclass(frozen=True, eq=False)
class Drives:
    """What a folder of HDF5 files holds.

    Attributes:
        images: On disk, in the order of the files' names.
        targets: (n, t), float32, in the files' own units.
        files: How many there are.
    """

    images: ShardImages
    targets: npt.NDArray[np.float32]
    files: int


def read_carla(path: str | Path, *, speed_only: bool = False) -> RawData:
    """Codevilla's CARLA set: steering and speed by camera image.

    Images stay on disk and come as float32 in [0, 1]. Targets are the columns 0 and 10: steering,
    without unit in [-1, 1], and speed, as recorded. The published frames come from three cameras
    and in two parts, SeqTrain and SeqVal; a folder is taken as it is, all cameras, one part.

    Args:
        path: The folder with the HDF5 files, ``…/SeqTrain`` of the published set.
        speed_only: Leave the steering out (the set ``carla1d``).

    Returns:
        The frames in the order of the files' names, then as recorded.

    Raises:
        FileError: if the folder holds no such files, or one of them is damaged or laid out in
            another way; the message names it.
        NonFiniteError: if a target is NaN or infinite; the message names the file.
        DeepNRCError: if h5py is not installed.

    Warns:
        DeepNRCWarning: if images are stored so that reading them in random order is slow; see
            `rewrite_carla`.

    References:
        [RU26] section 4.1 and Table 2 (Carla2D); [A24] Table 1; the files are those of [C18].
    """
    folder = Path(path)
    names = ("speed",) if speed_only else ("steering", "speed")
    drives = read_drives(_files(folder), names, size=(HEIGHT, WIDTH))
    return RawData(
        inputs=drives.images,
        targets=torch.from_numpy(drives.targets),
        input_names=("image",),
        target_names=names,
        provenance={
            "data": "carla1d" if speed_only else "carla2d",
            "made_from": f"{len(drives.targets)} frames in {drives.files} of the CARLA files of "
            "Codevilla et al. 2018",
            "folder": folder.name,
            "image_values": "bytes divided by 255",
        },
    )


def read_drives(
    files: Sequence[Path], names: Sequence[str], *, size: tuple[int, int] | None = None
) -> Drives:
    """Look through HDF5 files, keep the targets, and leave the images where they are.

    Args:
        files: In the order in which frames are to be numbered, at least one; any number of frames
            in each.
        names: Of the targets, from `COLUMNS`.
        size: Height and width that images must have; None is that of the first file.

    Raises:
        FileError: if a file is damaged or laid out in another way; the message names it.
        NonFiniteError: if a target is NaN or infinite; the message names the file.

    Warns:
        DeepNRCWarning: if images are stored so that reading them in random order is slow.
    """
    shards: list[Shard] = []
    parts: list[npt.NDArray[np.float32]] = []
    entangled = 0
    for path in files:
        with contextlib.closing(open_hdf5(path)) as file:
            images, targets = _dataset(path, file, IMAGES), _dataset(path, file, TARGETS)
            if size is None:
                size = images.shape[1:3]
            _check_layout(path, images, targets, size)
            values = _values(path, targets).astype(np.float32)
            parts.append(values[:, [COLUMNS[name] for name in names]])
            _check_finite(path, parts[-1], names)
            shards.append(_shard(path, file, images))
            entangled += images.chunks is not None and images.chunks[0] > 1
    if entangled:
        warnings.warn(
            f"{files[0].parent}: in {entangled} of {len(files)} files images share chunks, so that "
            "reading one unpacks many, dozens of times the work; write them anew once with "
            "deepnrc.data.sets.carla.rewrite_carla(folder, new_folder)",
            DeepNRCWarning,
            stacklevel=3,
        )
    assert size is not None  # as there is a file
    return Drives(
        images=ShardImages(shards, height=size[0], width=size[1], dataset=IMAGES),
        targets=np.concatenate(parts),
        files=len(shards),
    )


def rewrite_carla(path: str | Path, target: str | Path) -> None:
    """Write a folder's files anew so that any image can be read without another.

    For files whose chunks hold parts of many images (`read_carla` warns of them). Images and all
    columns of the targets stay the same; images are no longer packed: 53 kB each.

    Args:
        path: The folder with the HDF5 files.
        target: The new folder; it must not exist yet. Removed again if writing fails.

    Raises:
        FileError: if a file is damaged or laid out in another way, or `target` cannot be written.
    """
    files, folder = _files(Path(path)), Path(target)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise FileError(
            f"target: {folder} cannot be made ({error}); pass a folder that does not exist yet"
        ) from error
    whole = False
    try:
        for old in files:
            with contextlib.closing(open_hdf5(old)) as file:
                images, targets = _dataset(old, file, IMAGES), _dataset(old, file, TARGETS)
                _check_layout(old, images, targets, (HEIGHT, WIDTH))
                write_drive(folder / old.name, _values(old, images), _values(old, targets))
        whole = True
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"target: {folder} cannot be written ({error}); free the disk") from error
    finally:
        if not whole:
            shutil.rmtree(folder)


def write_drive(
    path: Path,
    images: npt.NDArray[np.uint8],
    targets: npt.NDArray[np.float32],
    *,
    packed: bool = False,
) -> None:
    """Write one file in the layout of the CARLA files.

    Args:
        path: The file; it must not exist yet.
        images: (n, height, width, 3).
        targets: (n, 28).
        packed: Whether images are packed with gzip, each as a chunk of its own. A fraction of the
            size for drawn pictures, at a tenth of the reading rate.
    """
    import h5py  # noqa: PLC0415  # optional; whoever writes has imported it before

    options = {"chunks": (1, *images.shape[1:]), "compression": "gzip"} if packed else {}
    with h5py.File(path, "x") as file:
        file.create_dataset(IMAGES, data=images, **options)
        file.create_dataset(TARGETS, data=targets)


def _files(folder: Path) -> list[Path]:
    """The HDF5 files that lie in a folder itself, by name."""
    if not folder.is_dir():
        raise FileError(
            f"{folder}: expected a folder of CARLA's HDF5 files, got "
            f"{'a file' if folder.exists() else 'a path that does not exist'}; pass the folder "
            "that holds data_03663.h5 and so on"
        )
    files = sorted(folder.glob("*.h5"))
    if files:
        return files
    below = sorted({path.parent for path in folder.rglob("*.h5")})
    if not below:
        raise FileError(
            f"{folder}: expected HDF5 files (*.h5) in this folder, got none; unpack the published "
            "archive and pass the folder that holds data_03663.h5 and so on"
        )
    # Not all of them at once: the authors' training and validation drives would be mixed.
    found = ", ".join(f"{part} ({len(list(part.glob('*.h5')))} files)" for part in below[:4])
    raise FileError(
        f"{folder}: expected HDF5 files in this folder itself, got them only further down; pass "
        f"one of {found}"
    )


def _dataset(path: Path, file: Any, name: str) -> Any:
    """A dataset that lies in this file itself."""
    import h5py  # noqa: PLC0415  # optional; the file is open, so it is there

    if name not in file or not isinstance(file[name], h5py.Dataset):
        raise FileError(
            f"{path}: expected the datasets '{IMAGES}' and '{TARGETS}', got "
            f"{', '.join(map(repr, file)) or 'an empty file'}; leave the file out or get it again"
        )
    dataset = file[name]
    # A file from elsewhere must not make us read whatever other file it points to.
    linked = isinstance(file.get(name, getlink=True), h5py.ExternalLink)
    if linked or dataset.is_virtual or dataset.external:
        raise FileError(
            f"{path}: expected '{name}' to be stored in this file, got a reference to another "
            "file; leave it out or get it again"
        )
    return dataset


def _values(path: Path, dataset: Any) -> npt.NDArray[Any]:
    """All of a dataset."""
    try:
        values: npt.NDArray[Any] = dataset[()]
    except OSError as error:
        raise FileError(
            f"{path}: '{dataset.name[1:]}' cannot be read ({error}); the file is damaged: get it "
            "again"
        ) from error
    return values


def _check_layout(path: Path, images: Any, targets: Any, size: tuple[int, int]) -> None:
    height, width = size
    if images.ndim != 4 or images.shape[1:] != (height, width, 3) or images.dtype != np.uint8:
        raise FileError(
            f"{path}: expected '{IMAGES}' of shape (frames, {height}, {width}, 3) and type uint8, "
            f"got {images.shape} and {images.dtype}; leave the file out or get it again"
        )
    expected = (len(images), TARGET_COLUMNS)
    if targets.shape != expected or targets.dtype.kind != "f":
        raise FileError(
            f"{path}: expected '{TARGETS}' of shape {expected}, one row per image, and of floating "
            f"point, got {targets.shape} and {targets.dtype}; leave the file out or get it again"
        )
    if not len(images):
        raise FileError(f"{path}: expected at least one frame, got none; leave the file out")


def _check_finite(path: Path, targets: npt.NDArray[np.float32], names: Sequence[str]) -> None:
    bad = np.argwhere(~np.isfinite(targets))
    if len(bad):
        row, column = bad[0]
        raise NonFiniteError(
            f"{path}: expected finite numbers, got {targets[row, column]} for {names[column]} in "
            f"frame {row}, counted from 0 ({len(np.unique(bad[:, 0]))} such frames in this file); "
            "leave the file out",
            row=int(row),
        )


def _shard(path: Path, file: Any, images: Any) -> Shard:
    # A block of the user's own before the HDF5 part would shift what HDF5 counts.
    offset = images.id.get_offset() if file.userblock_size == 0 else None
    return Shard(path, len(images), offset, path.stat().st_mtime_ns)
