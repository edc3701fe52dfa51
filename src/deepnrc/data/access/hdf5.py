"""Open HDF5 files with messages that say what to do."""

from pathlib import Path
from typing import Any

from deepnrc.errors import FileError
from deepnrc.support.optional import optional_import

__all__ = ["open_hdf5"]


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
            "interrupted copy, or of another format; copy or download it again"
        ) from error
