"""Text of a file that may be compressed, line by line and within bounds."""

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from deepnrc.data.access.sizes import DAMAGED, check_size, largest
from deepnrc.data.tables.options import ReadOptions
from deepnrc.errors import ArgumentError, DeepNRCError, FileError

__all__ = ["COMPRESSED", "TEXT", "inner_name", "text_lines"]

TEXT = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": ""}
"""Endings of text files with the separator that each implies."""
COMPRESSED = (".gz", ".xz", ".bz2", ".zip")

_LONGEST = 1 << 24  # characters of a line
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError)
_OTHERS = {
    b"\x1f\x8b": "gzip: let its name end in .gz",
    b"\xfd7zXZ": "xz: let its name end in .xz",
    b"BZh": "bzip2: let its name end in .bz2",
    b"PK\x03\x04": "a zip archive, as of a spreadsheet (.xlsx): export it as CSV, or let its name "
    "end in .zip",
    b"PAR1": "Parquet: let its name end in .parquet",
    b"\x89HDF": "HDF5: let its name end in .h5",
    b"\x93NUMPY": "NumPy's format: let its name end in .npy",
    b"<!DO": "a web page: the address gave a page in place of the file",
    b"<html": "a web page: the address gave a page in place of the file",
}
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8"}


def inner_name(path: Path, options: ReadOptions) -> str:
    """The name of a file without its compression: that of the member of a .zip.

    Raises:
        ArgumentError: A .zip holds several tables or none, or not the one that was asked for.
        FileError: A .zip is damaged.
    """
    if path.suffix.lower() != ".zip":
        return path.stem if path.suffix.lower() in COMPRESSED else path.name
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except _BROKEN as error:
        raise _damaged(path, error) from error
    tables = [
        name
        for name in names
        if PurePosixPath(name).suffix.lower() in TEXT
        and not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
    ]
    if options.member:
        tables = [name for name in names if name == options.member]
    if len(tables) != 1 or names.count(tables[0]) > 1:
        raise ArgumentError(
            f"{path} must hold one table ({', '.join(TEXT)}), or member='…' name it; got "
            f"{', '.join(map(repr, names[:20])) or 'no file'}"
        )
    return tables[0]


@contextlib.contextmanager
def text_lines(path: Path, options: ReadOptions) -> Iterator[Iterator[str]]:
    """The lines of a file with their ends, read as they are needed.

    Raises:
        FileError: The file is of another format, damaged, not of this encoding, longer than
            memory, or has a line beyond 16 million characters.
    """
    encoding = options.encoding or "utf-8"
    try:
        with contextlib.ExitStack() as stack:
            file = _Bounded(path, _opened(path, options, stack))
            start = file.peek(8)
            _check_start(path, start, encoding, bool(options.encoding))
            if start.startswith(b"\xef\xbb\xbf"):
                encoding = "utf-8-sig"
            text = stack.enter_context(io.TextIOWrapper(file, encoding=encoding, newline=""))
            yield _lines(path, text)
    except DeepNRCError:
        raise
    except UnicodeDecodeError as error:
        raise FileError(
            f"{path} must be text in {encoding}; got the byte 0x{error.object[error.start]:02x}, "
            "which cannot be read so: pass encoding=…, often 'cp1252' or 'latin-1'"
        ) from error
    except UnicodeError as error:  # such as UTF-16 without its mark
        raise FileError(f"{path} must be text in {encoding}; got none ({error})") from error
    except _BROKEN as error:
        raise _damaged(path, error) from error


def _opened(path: Path, options: ReadOptions, stack: contextlib.ExitStack) -> Any:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        archive = stack.enter_context(zipfile.ZipFile(path))
        name = inner_name(path, options)
        check_size(path, f"'{name}'", archive.getinfo(name).file_size)
        return stack.enter_context(archive.open(name))
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    return stack.enter_context(openers.get(suffix, Path.open)(path, "rb"))


class _Bounded(io.BufferedReader):
    """Bytes of a file that may be decompressed, of which no more are given than fit memory."""

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(_Counted(path, file))


class _Counted(io.RawIOBase):
    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file, self._left = path, file, largest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        block = self._file.read(len(view))
        view[: len(block)] = block
        self._left -= len(block)
        if self._left < 0:
            check_size(self._path, "its content", largest() + 1)
        return len(block)


def _check_start(path: Path, start: bytes, encoding: str, chosen: bool) -> None:
    """Refuse other formats and encodings by the first bytes."""
    if not start:
        raise FileError(f"{path} is empty: check that it was written and copied completely")
    for magic, kind in _OTHERS.items():
        if start[: len(magic)].lower() == magic.lower():
            raise FileError(f"{path} must be text as its name says; got {kind}")
    mark = next((name for bom, name in _MARKS.items() if start.startswith(bom)), "")
    if mark and not encoding.replace("_", "-").startswith(mark):
        told = f"encoding={encoding!r}" if chosen else "UTF-8"
        raise FileError(
            f"{path} begins with the byte-order mark of {mark.upper()}, which {told} does not: "
            f"pass encoding='{mark}'"
        )


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST and not line.endswith(("\n", "\r")):
            raise FileError(
                f"{path}: lines must have fewer than {_LONGEST:,} characters; line {number} has "
                "more: it is no table, or its ends of lines are lost"
            )
        if "\0" in line:
            raise FileError(
                f"{path}: line {number} must be text; got a zero byte: the file is damaged, or "
                "needs another encoding=…, such as 'utf-16-le'"
            )
        yield line


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(f"{path} cannot be read ({error}): it is damaged or incomplete; {DAMAGED}")
