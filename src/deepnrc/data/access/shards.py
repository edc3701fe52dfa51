"""Images in many HDF5 files as one sequence of rows, read from disk when they are needed."""

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

from deepnrc.data.access.hdf5 import open_hdf5
from deepnrc.data.access.sizes import DAMAGED
from deepnrc.errors import ArgumentError, FileError

__all__ = ["Shard", "ShardImages"]


@dataclass(frozen=True)
class Shard:
    """One HDF5 file of images.

    Attributes:
        path: The file.
        frames: Number of images in it.
        offset: Byte at which the first image begins if the images are stored contiguously and
            uncompressed; None if HDF5 has to find and decompress them.
        modified_ns: Time of the file's last change; a file changed later is refused.
    """

    path: Path
    frames: int
    offset: int | None
    modified_ns: int


class ShardImages:
    """The images of many HDF5 files, numbered consecutively; none is held in memory.

    Contiguous, uncompressed images are read without HDF5, because opening a file with HDF5 takes
    as long as reading ten images. For others, the files used last stay open. Rows in any order cost
    the same, unless chunks hold parts of several images: then reading one image decompresses all
    images of its chunks, dozens of times the work.

    Safe to use from several threads, which take turns, and in worker processes, each of which
    opens the files itself.

    Args:
        shards: The files, in order.
        height: Of every image, in pixels.
        width: Of every image, in pixels.
        dataset: Name of the images in every file: frames × height × width × 3, uint8.
        open_files: Largest number of files that stay open; None is half of what the system
            allows this process, often 128 (macOS) or 512 (Linux).

    Raises:
        ArgumentError: `open_files` is below 1.
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
            open_files = _half_of_the_limit()
        if open_files < 1:
            raise ArgumentError(f"open_files must be at least 1; got {open_files}")
        self._shards = tuple(shards)
        self._ends = np.cumsum([shard.frames for shard in self._shards], dtype=np.int64)
        self._size = height, width
        self._dataset = dataset
        self._open_files = open_files
        self._reset_handles()

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
            ArgumentError: There is no such row.
            FileError: A file is missing or damaged; the message names it.
        """
        pixels = torch.from_numpy(self.read(rows))
        images = torch.empty(len(pixels), 3, *self._size)
        # One pass both converts and reorders; .float().permute().contiguous() takes twice as long.
        return images.copy_(pixels.permute(0, 3, 1, 2)).div_(255)

    def read(self, rows: Int[Tensor, " n"]) -> npt.NDArray[np.uint8]:
        """The images of these row numbers as stored: n × height × width × 3, uint8.

        Raises:
            ArgumentError: There is no such row.
            FileError: A file is missing or damaged; the message names it.
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
                    raise OSError("it was changed after the set was loaded")
                if shard.offset is None:
                    self._read_with_hdf5(number, frames, pixels, places)
                else:
                    _read_directly(shard.path, shard.offset, frames, pixels, places)
            except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
                if isinstance(error, FileError):
                    raise
                raise FileError(
                    f"{shard.path}: images cannot be read ({error}): load the set again; if that "
                    f"fails, {DAMAGED}"
                ) from error
        return pixels

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open files and the lock, which another process cannot use."""
        left_out = {"_handles", "_lock", "_process"}
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restored with no file open."""
        vars(self).update(state)
        self._reset_handles()

    def _checked(self, rows: Tensor) -> npt.NDArray[np.int64]:
        numbers = rows.cpu().numpy().astype(np.int64)
        outside = numbers[(numbers < 0) | (numbers >= len(self))]
        if len(outside):
            raise ArgumentError(
                f"rows must be from 0 to {len(self) - 1}, as there are {len(self)} images; got "
                f"{outside[0]}"
            )
        return numbers

    def _read_with_hdf5(
        self,
        number: int,
        frames: npt.NDArray[np.int64],
        pixels: npt.NDArray[np.uint8],
        places: list[int],
    ) -> None:
        """Read frames of a file with HDF5 into places of the pixels."""
        if os.getpid() != self._process:  # HDF5 cannot share open files with a forked process
            self._reset_handles()
        with self._lock:
            if number in self._handles:
                self._handles.move_to_end(number)
            else:
                while len(self._handles) >= self._open_files:
                    self._handles.popitem(last=False)[1].file.close()
                # The dataset, because looking it up in its file takes longer than reading an image.
                self._handles[number] = open_hdf5(self._shards[number].path)[self._dataset]
            for place, frame in zip(places, frames.tolist(), strict=True):
                pixels[place] = self._handles[number][frame]

    def _reset_handles(self) -> None:
        self._handles: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()


def _read_directly(
    path: Path,
    offset: int,
    frames: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.uint8],
    places: list[int],
) -> None:
    """Read frames stored contiguously from `offset` on into places of the pixels."""
    size = pixels[0].nbytes
    with path.open("rb", buffering=0) as file:
        for place, frame in zip(places, frames.tolist(), strict=True):
            file.seek(offset + frame * size)
            if file.readinto(pixels[place].data) != size:
                raise OSError(f"it ends within frame {frame}")


def _half_of_the_limit() -> int:
    try:
        import resource  # noqa: PLC0415  # not on Windows, which allows thousands
    except ImportError:
        return 512
    return min(max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, 1), 512)
