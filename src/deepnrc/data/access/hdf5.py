"""Open HDF5 files with messages that say what to do."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepnrc.data.access.sizes import DAMAGED, check_size
from deepnrc.errors import DeepNRCError, FileError
from deepnrc.support.optional import optional_import

__all__ = ["check_chunk", "check_dataset", "hdf5_errors", "open_hdf5"]


def open_hdf5(path: Path, *, extra: str = "driving") -> Any:
    """An HDF5 file, open for reading.

    Args:
        path: The file.
        extra: The optional dependency group of deepnrc to name if h5py is not installed.

    Raises:
        ArgumentError: h5py is not installed.
        FileError: The file is missing, truncated, or of another format; the message names it.
    """
    h5py = optional_import("h5py", purpose=f"reading {path}", extra=extra)
    try:
        # Without HDF5's chunk cache: every image and array is read only once per pass.
        return h5py.File(path, "r", rdcc_nbytes=0)
    except OSError as error:
        raise FileError(
            f"{path} cannot be opened as HDF5 ({error}): it is missing, truncated by an "
            f"interrupted copy, or of another format; {DAMAGED}"
        ) from error


@contextlib.contextmanager
def hdf5_errors(path: Path) -> Iterator[None]:
    """Turn what h5py raises for damaged files, and that is much, into a `FileError`.

    Raises:
        FileError: The body raised an `OSError`, RuntimeError, KeyError, TypeError, ValueError or
            MemoryError that is not of this package.
    """
    try:
        yield
    except DeepNRCError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise FileError(
            f"{path} cannot be read as HDF5 ({error}): it is damaged; {DAMAGED}"
        ) from error


def check_dataset(path: Path, name: str, dataset: Any) -> None:
    """Check what a dataset claims before it is read whole.

    Raises:
        FileError: It is larger than memory allows, or it is stored in another file, which a file
            from elsewhere must not make us read.
    """
    shape = tuple(dataset.shape or ())
    check_size(path, f"'{name}' of shape {shape}", dataset.dtype.itemsize * math.prod(shape))
    check_chunk(path, name, dataset)
    if dataset.is_virtual or dataset.external or Path(dataset.file.filename) != path:
        raise FileError(
            f"{path}: '{name}' must be stored in this file; got a reference to another file: leave "
            "the file out, or store the data in it"
        )


def check_chunk(path: Path, name: str, dataset: Any) -> None:
    """Check what must be decompressed to read one row.

    Raises:
        FileError: It is larger than memory allows.
    """
    if dataset.chunks is not None:
        claimed = dataset.dtype.itemsize * math.prod(dataset.chunks)
        check_size(path, f"a chunk of '{name}'", claimed)
