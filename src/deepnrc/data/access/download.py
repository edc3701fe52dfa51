"""Download the files of real sets: over https, checked by SHA-256, complete or absent."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from deepnrc.data.access.cache import data_folder
from deepnrc.data.registry import find_source
from deepnrc.data.source import Download, Source
from deepnrc.errors import ArgumentError, FileError
from deepnrc.storage.atomic import atomic_draft, make_folder, write_atomically
from deepnrc.storage.manifest import file_sha256

__all__ = ["check_fetched", "fetch", "fetched_folder"]

_BLOCK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte


def fetched_folder(name: str) -> Path:
    """The default folder of `fetch` for the real files of a set; it need not exist yet."""
    return data_folder() / "fetched" / name


def fetch(
    name: str, path: Path | None = None, *, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, ...]:
    """Download the real files of a set over https.

    A file that is there already and unaltered is not downloaded again. Where the publisher gives no
    SHA-256, that of the first download is recorded beside the file and checked from then on.

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
    if expected is not None and sha256 != expected:
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
    expected = item.sha256 or _recorded(path)
    if path.exists() and expected is not None and file_sha256(path) == expected:
        say(f"{path}: already there and unaltered")
        return path
    _check_scheme(item.url, schemes)
    say(f"{path}: downloading from {item.url}")
    try:
        make_folder(path.parent)
        with atomic_draft(path) as draft:
            with _open(item.url, schemes) as answer, draft.open("xb") as file:
                sha256 = _copy(answer, file, item.url)
            if expected is not None and sha256 != expected:
                raise FileError(
                    f"the file from {item.url} must have the SHA-256 {expected}; got {sha256}, and "
                    "the file was not kept: try again; if it stays so, the publisher has changed it"
                )
            write_atomically(_record(path), f"{sha256}  {path.name}\n".encode())
    except FileError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise FileError(
            f"{item.url} cannot be downloaded to {path} ({error}): check the network and the disk, "
            "or download it elsewhere and pass path=…"
        ) from error
    say(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {sha256}")
    return path


def _open(url: str, schemes: tuple[str, ...]) -> http.client.HTTPResponse:
    """The response to a request; redirections to other schemes are refused."""

    class Redirections(urllib.request.HTTPRedirectHandler):
        def redirect_request(
            self,
            req: urllib.request.Request,
            fp: Any,
            code: int,
            msg: str,
            headers: http.client.HTTPMessage,
            newurl: str,
        ) -> urllib.request.Request | None:
            _check_scheme(newurl, schemes)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    request = urllib.request.Request(url, headers={"User-Agent": "deepnrc"})
    answer: http.client.HTTPResponse = urllib.request.build_opener(Redirections).open(
        request, timeout=_TIMEOUT
    )
    return answer


def _copy(answer: http.client.HTTPResponse, file: IO[bytes], url: str) -> str:
    """Copy all bytes to the file; their SHA-256."""
    digest = hashlib.sha256()
    received = 0
    while block := answer.read(_BLOCK):
        digest.update(block)
        received += len(block)
        file.write(block)
    announced = answer.headers["Content-Length"]
    if announced is not None and received != int(announced):  # read() does not raise then
        raise FileError(
            f"{url} ended after {received} of {announced} bytes, and nothing was kept: try again"
        )
    return digest.hexdigest()


def _check_scheme(url: str, schemes: tuple[str, ...]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise FileError(f"address must begin with {' or '.join(schemes)}://; got {url}")


def _record(path: Path) -> Path:
    """The file that records the SHA-256 of the first download, in the format of sha256sum."""
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    try:
        return _record(path).read_text().split()[0]
    except (OSError, IndexError):
        return None
