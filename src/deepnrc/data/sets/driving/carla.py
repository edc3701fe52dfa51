"""CARLA's driving data as Codevilla et al. published it."""

import shutil
from pathlib import Path

import torch

from deepnrc.data.access.files import distinct_files
from deepnrc.data.sets.driving.drives import read_drives, read_file, write_file
from deepnrc.data.source import RawData
from deepnrc.errors import FileError

__all__ = ["HEIGHT", "WIDTH", "read_carla", "rewrite_carla"]

HEIGHT, WIDTH = 88, 200


def read_carla(path: str | Path, *, speed_only: bool = False) -> RawData:
    """Codevilla's CARLA set: steering and speed for camera images.

    Images stay on disk and come as float32 in [0, 1]. The targets are the columns 0 and 10:
    steering, without unit in [-1, 1], and speed, as recorded. The published frames come from three
    cameras and in two parts, SeqTrain and SeqVal; a folder is taken as it is, with all cameras.

    Args:
        path: The folder with the HDF5 files, ``…/SeqTrain`` of the published set.
        speed_only: Leave the steering out (the set ``carla1d``).

    Returns:
        The frames in the order of the files' names, then as recorded.

    Raises:
        ArgumentError: h5py is not installed.
        FileError: The folder holds no such files, or one of them is damaged or of another layout;
            the message names it.
        NonFiniteError: A target is NaN or infinite; the message names the file.

    Warns:
        DeepNRCWarning: Images are stored such that reading them in random order is slow; see
            `rewrite_carla`. Or files are copies of others and left out.

    References:
        [RU26] section 4.1 and Table 2 (Carla2D); [A24] Table 1; the files are those of [C18].
    """
    folder = Path(path)
    names = ("speed",) if speed_only else ("steering", "speed")
    distinct = distinct_files(_files(folder))
    drives = read_drives(distinct.files, names, size=(HEIGHT, WIDTH))
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
            **distinct.facts,
        },
    )


def rewrite_carla(path: str | Path, target: str | Path) -> None:
    """Rewrite the files of a folder so that any image can be read without decompressing others.

    For files whose chunks hold parts of many images (`read_carla` warns of them). Images and all
    columns of the targets stay the same; images are stored uncompressed, 53 kB each.

    Args:
        path: The folder with the HDF5 files.
        target: The new folder; it must not exist yet. Removed again if writing fails.

    Raises:
        FileError: A file is damaged or of another layout, or `target` cannot be written.
    """
    files, folder = _files(Path(path)), Path(target)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise FileError(
            f"target {folder} cannot be made ({error}): pass a folder that does not exist yet"
        ) from error
    try:
        for old in files:
            write_file(folder / old.name, *read_file(old, size=(HEIGHT, WIDTH)))
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, OSError) and not isinstance(error, FileError):
            raise FileError(
                f"target {folder} cannot be written ({error}): free disk space"
            ) from error
        raise


def _files(folder: Path) -> list[Path]:
    """The HDF5 files that lie in a folder itself, by name."""
    if not folder.is_dir():
        raise FileError(
            f"{folder} must be a folder of CARLA's HDF5 files; got "
            f"{'a file' if folder.exists() else 'a path that does not exist'}: pass the folder "
            "that holds data_03663.h5 and so on"
        )
    files = sorted(folder.glob("*.h5"))
    if files:
        return files
    below = sorted({path.parent for path in folder.rglob("*.h5")})
    if not below:
        raise FileError(
            f"{folder} must hold HDF5 files (*.h5); got none: unpack the published archive and "
            "pass the folder that holds data_03663.h5 and so on"
        )
    # Not all of them at once: the authors' training and validation drives would be mixed.
    found = ", ".join(f"{part} ({len(list(part.glob('*.h5')))} files)" for part in below[:4])
    raise FileError(
        f"{folder} must hold HDF5 files itself; got some only in folders below: pass one of {found}"
    )
