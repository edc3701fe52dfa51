"""Download the files of real sets: over https, checked by SHA-256, complete or absent."""

import http.client
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from deepnrc.data.access.cache import data_folder
from deepnrc.data.access.hdf5 import open_hdf5
from deepnrc.data.access.http import check_scheme, receive
from deepnrc.data.registry import find_source
from deepnrc.data.source import Download, Source
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.atomic import atomic_draft, make_folder, remove_drafts, write_atomically
from deepnrc.storage.lock import file_lock
from deepnrc.storage.manifest import file_sha256

__all__ = ["check_fetched", "fetch", "fetched_folder"]


def fetched_folder(name: str) -> Path:
    """The default folder of `fetch` for the real files of a set; it need not exist yet."""
    return data_folder() / "fetched" / name


def fetch(
    name: str, path: Path | None = None, *, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, ...]:
    """Download the real files of a set over https.

    A file that is there already and unaltered is not downloaded again. What comes is compared with
    the SHA-256 that this package has, or else the one that the publisher's server gives; where
    there is none, the content is checked to be whole. Its SHA-256 is recorded beside the file: from
    then on a file that differs from its record, or has lost it, is refused. Of two processes that
    download the same file, the second waits and takes what the first has.

    Args:
        name: Of the data set.
        path: The folder for the files; None is the set's place in the cache folder.
        say: Receives lines about the progress.

    Returns:
        The files.

    Raises:
        ArgumentError: There is no such set, or it has no files to download.
        FileError: A file cannot be downloaded or written, or has another SHA-256 than expected.
    """
    source = find_source(name)
    if not source.downloads:
        raise ArgumentError(
            f"'{name}' has no files that can be downloaded: it comes from {source.origin}"
        )
    folder = fetched_folder(name) if path is None else path
    return tuple(_fetch_one(item, folder, ("https",), say) for item in source.downloads)


def check_fetched(source: Source) -> dict[str, str] | None:
    """The SHA-256 of each downloaded file of a set by its name; None if a file is missing.

    Raises:
        FileError: A file was altered since it was downloaded.
    """
    folder = fetched_folder(source.name)
    if not source.downloads or not all((folder / item.file).exists() for item in source.downloads):
        return None
    return {item.file: _check(folder / item.file, item, source.name) for item in source.downloads}


def _check(path: Path, item: Download, name: str) -> str:
    sha256, expected = file_sha256(path), item.sha256 or _recorded(path)
    if expected is None:
        raise FileError(
            f"{path} cannot be checked, because '{_record(path).name}', which has the SHA-256 of "
            f"its download, is missing or damaged: run `deepnrc data fetch {name}` to download it "
            "anew, or pass path=… to read it as it is"
        )
    if sha256 != expected:
        raise FileError(
            f"{path} was altered after it was downloaded: its SHA-256 must be {expected}; got "
            f"{sha256}: delete it and run `deepnrc data fetch {name}`"
        )
    return sha256


def _fetch_one(
    item: Download, folder: Path, schemes: tuple[str, ...], say: Callable[[str], None]
) -> Path:
    """Download one file; only tests allow other schemes than https."""
    path = folder / item.file

    def on_busy(holder: str) -> None:
        say(f"{path}: {holder} is downloading it; waiting for it")

    if _is_there(path, item, say):
        return path
    check_scheme(item.url, schemes)
    make_folder(path.parent)
    with file_lock(path.with_name(f".{path.name}.lock"), on_busy):
        remove_drafts(path.parent, path.name)  # of processes that were killed
        if _is_there(path, item, say):  # of the process that was waited for
            return path
        expected = item.sha256 or _recorded(path)
        say(f"{path}: downloading from {item.url}")
        try:
            sha256 = _download(item, path, expected, schemes)
        except FileError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise FileError(
                f"{item.url} cannot be downloaded to {path} ({error}): check the network and the "
                "disk, or download it elsewhere and pass path=…"
            ) from error
    say(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {sha256}")
    return path


def _is_there(path: Path, item: Download, say: Callable[[str], None]) -> bool:
    expected = item.sha256 or _recorded(path)
    there = path.exists() and expected is not None and file_sha256(path) == expected
    if there:
        say(f"{path}: already there and unaltered")
    return there


def _download(item: Download, path: Path, expected: str | None, schemes: tuple[str, ...]) -> str:
    """The SHA-256 of what was downloaded, checked and recorded."""

    def expect(size: int) -> None:
        free = shutil.disk_usage(path.parent).free
        if size > free:
            raise FileError(
                f"{item.url} has {size:,} bytes, but only {free:,} are free at {path.parent}: free "
                "some space, or set DEEPNRC_HOME to a folder on another disk"
            )

    with atomic_draft(path) as draft:
        with draft.open("xb") as file:
            received = receive(item.url, file, schemes, expect=expect)
        wanted = expected or received.published
        accept = "" if item.sha256 else f", or delete '{_record(path).name}' to accept the new one"
        if wanted is not None and received.sha256 != wanted:
            raise FileError(
                f"the file from {item.url} must have the SHA-256 {wanted}; got {received.sha256}, "
                "and the file was not kept: try again; if it stays so, the publisher has changed "
                f"it: pass path=… of a copy of the old content{accept}"
            )
        if wanted is None:
            _check_whole(draft, item, counted=received.counted)
        # First the record: a file without one is not believed.
        write_atomically(_record(path), f"{received.sha256}  {path.name}\n".encode())
    return received.sha256


def _check_whole(draft: Path, item: Download, *, counted: bool) -> None:
    """Where no checksum is known, tell from the content whether the file is whole.

    Raises:
        FileError: It is not, or nothing can tell.
    """
    suffix = Path(item.file).suffix.lower()
    problem = ""
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(draft) as archive:
                problem = archive.testzip() or ""
        elif suffix in (".h5", ".hdf5"):
            open_hdf5(draft).close()
        elif not counted:
            problem = "the server told neither its length nor its SHA-256"
    except ArgumentError:  # without h5py, only its length speaks for the file
        problem = "" if counted else "the server told neither its length nor its SHA-256"
    except (OSError, zipfile.BadZipFile, RuntimeError, zlib.error) as error:
        problem = str(error)
    if problem:
        raise FileError(
            f"the file from {item.url} is not whole ({problem}), and was not kept: try again; if "
            "it stays so, the publisher's file is broken, or a page of your network came in its "
            "place: download it with a browser and pass path=…"
        )


def _record(path: Path) -> Path:
    """The file that records the SHA-256 of the first download, in the format of sha256sum."""
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    try:
        text = _record(path).read_text(encoding="ascii").split()[0]
    except (OSError, IndexError, ValueError):
        return None
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else None
