"""Tables of named arrays: NPZ, NPY, safetensors and HDF5, their sizes checked before reading."""

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from deepnrc.data.access.hdf5 import check_dataset, open_hdf5
from deepnrc.data.access.sizes import DAMAGED, check_size
from deepnrc.data.tables.numeric import as_numbers
from deepnrc.data.tables.options import ReadOptions
from deepnrc.data.tables.table import Rows, Table, no_such_column, twice
from deepnrc.errors import DataError, DeepNRCError, FileError

__all__ = ["ARRAYS", "array_table", "read_npy"]

_BROKEN: tuple[type[Exception], ...] = (
    *(OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, NotImplementedError),
    *(zlib.error, zipfile.BadZipFile, RecursionError, SyntaxError),
    tokenize.TokenError,  # NumPy reads headers as Python,
)

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class _Stored:
    """An array in a file: its shape as the file claims, and how it is read."""

    shape: tuple[int, ...]
    read: Callable[[], Array]


def array_table(path: Path, options: ReadOptions) -> Table:
    """The table of a file of arrays; a matrix ``x`` is the columns ``x[0]``, ``x[1]``, ….

    Raises:
        DataError: Arrays differ in their number of rows, have more than two axes, or two columns
            have one name.
        FileError: The file is damaged, or claims more than memory holds.
    """
    stored = _ARRAYS[path.suffix.lower()](path)
    if not stored:
        raise DataError(f"{path} must hold arrays; got none: check that it was written completely")
    columns: list[str] = []
    groups: dict[str, list[str]] = {}
    for name, array in stored.items():
        if len(array.shape) not in (1, 2):
            raise DataError(
                f"{path}: arrays must have one or two axes (rows, columns); got shape "
                f"{array.shape} for '{name}': save it flattened"
            )
        if len(array.shape) == 2:
            groups[name] = [f"{name}[{i}]" for i in range(array.shape[1])]
        columns += groups.get(name, [name])
    if len({array.shape[0] for array in stored.values()}) > 1:
        raise DataError(
            f"{path}: arrays must have the same number of rows; got "
            f"{', '.join(f'{array.shape[0]} in {name!r}' for name, array in stored.items())}"
        )
    twice(path, columns)
    left_out = _left_out(path, columns, groups, options)

    def read(names: Sequence[str]) -> Rows:
        return _read(path, names, stored, groups, options)

    kept = tuple(name for name in columns if name not in left_out)
    return Table(path, kept, groups, {}, read)


@contextmanager
def _damage(path: Path, kind: str, *also: type[Exception]) -> Iterator[None]:
    """Turn what readers raise for damaged files into a `FileError`."""
    try:
        yield
    except DeepNRCError:
        raise
    except (*_BROKEN, *also) as error:
        raise FileError(
            f"{path} cannot be read as {kind} ({error}): it is damaged or incomplete; {DAMAGED}"
        ) from error


def _left_out(
    path: Path, columns: list[str], groups: Mapping[str, list[str]], options: ReadOptions
) -> set[str]:
    names: set[str] = set()
    for wanted in options.index:
        name = columns[wanted] if isinstance(wanted, int) and wanted < len(columns) else str(wanted)
        if name not in columns and name not in groups:
            raise no_such_column(path, name, columns)
        names |= set(groups.get(name, [name]))
    return names


def _read(
    path: Path,
    names: Sequence[str],
    stored: Mapping[str, _Stored],
    groups: Mapping[str, list[str]],
    options: ReadOptions,
) -> Rows:
    origin = {column: name for name, group in groups.items() for column in group}
    needed = list(dict.fromkeys(origin.get(name, name) for name in names))
    for name, needs in zip(names, (origin.get(name, name) for name in names), strict=True):
        if needs not in stored or (name == needs and name in groups):
            raise no_such_column(path, name, [*stored, *origin])
    arrays = {name: as_numbers(stored[name].read(), name, path, options) for name in needed}
    n = next(iter(arrays.values())).shape[0]
    values = np.empty((n, len(names)))
    for i, name in enumerate(names):
        whole = arrays[origin.get(name, name)]
        values[:, i] = whole[:, groups[origin[name]].index(name)] if name in origin else whole
    if not n:
        raise DataError(f"{path} must have rows of numbers; got none: check that it is complete")
    return Rows(values, lambda row: f"row {row}, counted from 0")


def _npz(path: Path) -> dict[str, _Stored]:
    with _damage(path, "a NumPy archive"), zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        names = [info.filename.removesuffix(".npy") for info in members]
        twice(path, names)
        stored = {}
        for name, info in zip(names, members, strict=True):
            with archive.open(info) as file:
                shape = _header(path, f"array '{name}'", file, info.file_size)
            stored[name] = _Stored(shape, partial(_member, path, name))
    return stored


def _member(path: Path, name: str) -> Array:
    with (
        _damage(path, "a NumPy archive"),
        zipfile.ZipFile(path) as archive,
        archive.open(f"{name}.npy") as file,
    ):
        return npy.read_array(file, allow_pickle=False)


def read_npy(path: Path) -> Array:
    """The array of a .npy file.

    Raises:
        FileError: The file is missing or damaged, holds objects, or claims more than memory.
    """
    (stored,) = _npy(path).values()
    return stored.read()


def _npy(path: Path) -> dict[str, _Stored]:
    def read() -> Array:
        with _damage(path, "a NumPy array"), path.open("rb") as file:
            return npy.read_array(file, allow_pickle=False)

    with _damage(path, "a NumPy array"), path.open("rb") as file:
        shape = _header(path, "its array", file, path.stat().st_size)
    return {path.stem: _Stored(shape, read)}


def _header(path: Path, what: str, file: Any, size: int) -> tuple[int, ...]:
    """The shape in the header of an array, if the file holds as many bytes as that needs."""
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise FileError(f"{path}: {what} has NumPy's format {version}; 1.0 and 2.0 are read")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise FileError(
            f"{path}: {what} must hold numbers; got pickled objects, which can run any program and "
            "are not opened: save it as an array of numbers"
        )
    claimed = dtype.itemsize
    for length in shape:
        claimed *= int(length)
    check_size(path, what, max(claimed, size))
    if claimed != size - file.tell():
        raise FileError(
            f"{path}: {what} claims {claimed:,} bytes in its header (shape {shape} of {dtype}); "
            f"the file holds {size - file.tell():,}: it is damaged or incomplete"
        )
    return tuple(shape)


def _safetensors(path: Path) -> dict[str, _Stored]:
    import torch  # noqa: PLC0415
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    def read(name: str) -> Array:
        with _damage(path, "safetensors", SafetensorError), safe_open(path, "pt") as file:
            tensor = file.get_tensor(name)
        half = tensor.is_floating_point() and tensor.dtype != torch.float64
        array: Array = (tensor.double() if half else tensor).numpy()  # NumPy has no bfloat16
        return array

    with _damage(path, "safetensors", SafetensorError), safe_open(path, "pt") as file:
        names = sorted(file.keys())
        shapes = [tuple(file.get_slice(name).get_shape()) for name in names]
    check_size(path, "the file", 8 * path.stat().st_size)  # bytes that become float64
    pairs = zip(names, shapes, strict=True)
    return {name: _Stored(shape, partial(read, name)) for name, shape in pairs}


def _hdf5(path: Path) -> dict[str, _Stored]:
    def read(name: str) -> Array:
        with _damage(path, "HDF5"), closing(open_hdf5(path)) as file:
            array: Array = file[name][()]
            return array

    links: dict[str, Any] = {}
    names: list[str] = []
    found: dict[str, _Stored] = {}
    with _damage(path, "HDF5"), closing(open_hdf5(path)) as file:
        # Collected first: HDF5 cannot pass on an exception of a function that it calls.
        file.visititems_links(lambda name, link: links.__setitem__(name, link))
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") else None)
        for name, link in links.items():
            if type(link).__name__ != "HardLink":
                raise FileError(
                    f"{path}: '{name}' must be stored in this file under one name; got a link to "
                    f"'{link.path}': store the data themselves"
                )
        for name in names:
            check_dataset(path, name, file[name])
            found[name] = _Stored(tuple(file[name].shape or ()), partial(read, name))
    return found


_ARRAYS = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}
ARRAYS = tuple(_ARRAYS)
"""Endings of files of arrays."""
