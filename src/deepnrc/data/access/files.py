"""Files in folders: all of them below one, and which are copies of others."""

import hashlib
import os
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from deepnrc.errors import DeepNRCWarning, FileError
from deepnrc.storage.manifest import file_sha256

__all__ = ["Distinct", "copies_of_rows", "distinct_files", "files_below"]

_DEEPEST = 64  # folders in one another; a real set has two or three


def files_below(folder: Path) -> list[Path]:
    """Every file in a folder and those below it, by name; hidden ones are left out.

    Linked folders are read too, each real folder once, so that a link to a folder above it ends.

    Raises:
        FileError: A folder cannot be read, or folders lie deeper in one another than 64.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise FileError(f"folder '{error.filename}' cannot be read: {error.strerror}") from error

    for name, below, files in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(name)
        if len(here.relative_to(folder).parts) > _DEEPEST:
            raise FileError(
                f"'{folder}' must have at most {_DEEPEST} folders in one another; got more, down "
                f"to '…{name[-80:]}': pass the folder that holds the files"
            )
        kept = []
        for entry in sorted(below):
            status = (here / entry).stat()
            if not entry.startswith(".") and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                kept.append(entry)
        below[:] = kept
        paths = (here / file for file in files if not file.startswith("."))
        found += [path for path in paths if path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


@dataclass(frozen=True)
class Distinct:
    """Files without their copies.

    Attributes:
        files: The first of each content, in the given order.
        sha256: Of each of them by name.
        copies: Name of each file that was left out, with the file that it is a copy of.
    """

    files: tuple[Path, ...]
    sha256: dict[str, str]
    copies: dict[str, str]

    @property
    def facts(self) -> dict[str, object]:
        """For the provenance: one checksum over names and contents, and what was left out."""
        total = hashlib.sha256()
        for name, sha256 in self.sha256.items():
            total.update(f"{name}\n{sha256}\n".encode())
        named = len(self.sha256) <= _NAMED
        facts: dict[str, object] = {
            "files": self.sha256 if named else {"all names and contents": total.hexdigest()}
        }
        return facts | ({"copies_left_out": self.copies} if self.copies else {})


_NAMED = 20  # files whose checksums are listed one by one


def distinct_files(files: Iterable[Path]) -> Distinct:
    """The files without copies of others, which would stand in both parts of a split.

    Raises:
        FileError: A file cannot be read.

    Warns:
        DeepNRCWarning: Files are left out; the message names the first.
    """
    first: dict[str, Path] = {}
    copies: dict[str, str] = {}
    for path in files:
        kept = first.setdefault(file_sha256(path), path)
        if kept is not path:
            copies[path.name] = kept.name
    if copies:
        name, original = next(iter(copies.items()))
        warnings.warn(
            f"{len(copies)} of {len(first) + len(copies)} files left out, because they have the "
            f"content of another: '{name}' that of '{original}'"
            f"{' and so on' if len(copies) > 1 else ''}. All are listed in the provenance as "
            "'copies_left_out'",
            DeepNRCWarning,
            stacklevel=4,
        )
    by_name = {path.name: sha256 for sha256, path in first.items()}
    return Distinct(tuple(first.values()), by_name, copies)


def copies_of_rows(contents: Sequence[Hashable]) -> Tensor | None:
    """A number for each row, the same for rows of the same content; None where all differ.

    Args:
        contents: What is compared of each row, such as a checksum.
    """
    first: dict[Hashable, int] = {}
    numbers = [first.setdefault(content, row) for row, content in enumerate(contents)]
    return None if len(first) == len(numbers) else torch.tensor(numbers)
