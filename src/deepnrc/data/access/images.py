"""Images in many HDF5 files as one list of rows, read when they are asked for."""

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepnrc.errors import ArgumentError, DeepNRCError, FileError

__all__ = ["Shard", "ShardImages", "open_hdf5"]


@dataclass(frozen=True)
class Shard:
    """One HDF5 file of images.

    Attributes:
        path: The file.
        frames: Images in it.
        offset: Byte at which the first image begins, where they lie one after the other as they
            are; None where HDF5 has to find and unpack them.
        modified_ns: When the file was last changed; a file changed later is refused.
    """

    path: Path
    frames: int
    offset: int | None
    modified_ns: int


class ShardImages:
    """The images of many HDF5 files, numbered through, of which none is held in memory.

    Images that lie one after the other as they are, are read without HDF5, whose opening of a file
    takes as long as reading ten. For others, files that were used last stay open. Rows may be
    asked for in any order at the same cost, as long as no chunk holds parts of several images; or
    else all of those are unpacked for each, which is dozens of times the work.

    May be used from several threads, which take turns, and in worker processes, each of which
    opens the files for itself.

    Args:
        shards: The files, in order.
        height: Of every image, in pixels.
        width: Of every image, in pixels.
        dataset: Name of the images in every file: frames × height × width × 3, uint8.
        open_files: How many files may stay open; None is half of what the system allows this
            process, often 128 (macOS) or 512 (Linux).
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        *,
        height: int,
        width: int,
        dataset: str = "rgb",
        open_files: int | None = None,
    ) -> None:
        if open_files is None:
            open_files = _half_of_the_allowed()
        if open_files < 1:
            raise ArgumentError(
                f"open_files: expected an integer of at least 1, got {open_files}; pass a larger "
                "one"
            )
        self._shards = tuple(shards)
        self._ends = np.cumsum([shard.frames for shard in self._shards], dtype=np.int64)
        self._size = height, width
        self._dataset = dataset
        self._open_files = open_files
        self._forget_handles()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height, width."""
        return len(self), 3, *self._size

    def __len__(self) -> int:
        """Number of images."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "n 3 height width"]:
        """The images of these row numbers, red, green, blue, float32, divided by 255 to [0, 1].

        Raises:
            ArgumentError: if there is no such row.
            FileError: if a file is gone or damaged; the message names it.
        """
        pixels = torch.from_numpy(self.read(rows))
        images = torch.empty(len(pixels), 3, *self._size)
        # One pass that both converts and reorders; .float().permute().contiguous() takes twice
        # as long.
        return images.copy_(pixels.permute(0, 3, 1, 2)).div_(255)

    def read(self, rows: Int[Tensor, " n"]) -> npt.NDArray[np.uint8]:
        """The images of these row numbers as they are stored: n × height × width × 3, uint8.

        Raises:
            ArgumentError: if there is no such row.
            FileError: if a file is gone or damaged; the message names it.
        """
        numbers = self._checked(rows)
        pixels = np.empty((len(numbers), *self._size, 3), dtype=np.uint8)
        of_row = np.searchsorted(self._ends, numbers, side="right")
        in_file_order = np.argsort(numbers, kind="stable").tolist()
        for number, group in itertools.groupby(in_file_order, key=lambda place: int(of_row[place])):
            shard, places = self._shards[number], list(group)
            frames = numbers[places] - (self._ends[number] - shard.frames)
            try:
                if shard.path.stat().st_mtime_ns != shard.modified_ns:
                    raise OSError("it was changed after it was first looked at")
                if shard.offset is None:
                    self._unpack(number, frames, pixels, places)
                else:
                    _copy(shard.path, shard.offset, frames, pixels, places)
            except (OSError, KeyError) as error:
                if isinstance(error, FileError):
                    raise
                raise FileError(
                    f"{shard.path}: images cannot be read ({error}); load the set again, and if "
                    "that fails get the file again"
                ) from error
        return pixels

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open files and the lock, which no other process can use."""
        left_out = {"_handles", "_lock", "_process"}
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As made, with no file open."""
        vars(self).update(state)
        self._forget_handles()

    def _checked(self, rows: Tensor) -> npt.NDArray[np.int64]:
        numbers = rows.cpu().numpy().astype(np.int64)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if len(outside):
            raise ArgumentError(
                f"rows: expected numbers from 0 to {len(self) - 1}, got {outside[0]}; there are "
                f"{len(self)} images"
            )
        return numbers

    def _unpack(
        self,
        number: int,
        frames: npt.NDArray[np.int64],
        pixels: npt.NDArray[np.uint8],
        places: list[int],
    ) -> None:
        """Let HDF5 read frames of a file into places of the pixels."""
        if os.getpid() != self._process:  # HDF5 cannot share open files with a forked process
            self._forget_handles()
        with self._lock:
            if number in self._handles:
                self._handles.move_to_end(number)
            else:
                while len(self._handles) >= self._open_files:
                    self._handles.popitem(last=False)[1].file.close()
                # The dataset, as looking it up in its file takes longer than reading an image.
                self._handles[number] = open_hdf5(self._shards[number].path)[self._dataset]
            for place, frame in zip(places, frames.tolist(), strict=True):
                pixels[place] = self._handles[number][frame]

    def _forget_handles(self) -> None:
        self._handles: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()


def _copy(
    path: Path,
    offset: int,
    frames: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.uint8],
    places: list[int],
) -> None:
    """Read frames that lie one after the other from `offset` on into places of the pixels."""
    size = pixels[0].nbytes
    with path.open("rb", buffering=0) as file:
        for place, frame in zip(places, frames.tolist(), strict=True):
            file.seek(offset + frame * size)
            if file.readinto(pixels[place].data) != size:
                raise OSError(f"it ends within frame {frame}")


def _half_of_the_allowed() -> int:
    try:
        import resource  # noqa: PLC0415  # not on Windows, which allows thousands
    except ImportError:
        return 512
    return min(max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, 1), 512)


def open_hdf5(path: Path) -> Any:
    """An HDF5 file, open for reading.

    Args:
        path: The file.

    Raises:
        DeepNRCError: if h5py is not installed.
        FileError: if the file is missing, cut short, or no HDF5 file; the message names it.
    """
    try:
        import h5py  # noqa: PLC0415  # optional
    except ImportError as error:
        raise DeepNRCError(
            f"reading {path} needs h5py, which cannot be imported ({error}); run "
            "`pip install 'deepnrc[driving]'`"
        ) from error
    try:
        # Without HDF5's cache of chunks, which would fill up with images that come once a pass.
        return h5py.File(path, "r", rdcc_nbytes=0)
    except OSError as error:
        raise FileError(
            f"{path} cannot be opened as HDF5 ({error}); it is missing, cut short by an "
            "interrupted copy, or of another format: get it again"
        ) from error
