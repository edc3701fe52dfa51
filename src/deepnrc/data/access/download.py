"""Files of real sets from the network: over https, checked by SHA-256, whole or not there."""

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
_PATIENCE = 60.0  # seconds without a byte


def fetched_folder(name: str) -> Path:
    """Where `fetch` puts the real files of a set unless told otherwise; it need not exist yet."""
    return data_folder() / "fetched" / name


def fetch(
    name: str, path: Path | None = None, *, say: Callable[[str], None] = lambda line: None
) -> tuple[Path, ...]:
    """Get the real files of a set over https.

    A file that is there already and unaltered is not fetched again. Where the publisher gives no
    SHA-256, that of the first download is kept beside the file and holds from then on.

    Args:
        name: Of the data set.
        path: The folder for the files; None is the set's place in the cache folder.
        say: Takes a line about the progress.

    Returns:
        The files.

    Raises:
        ArgumentError: if there is no such set or nothing to fetch.
        FileError: if a file cannot be fetched or written, or is not the one expected.
    """
    source = find_source(name)
    if not source.downloads:
        raise ArgumentError(
            f"name: '{name}' has no files that can be fetched; it comes from {source.origin}"
        )
    folder = fetched_folder(name) if path is None else path
    return tuple(_fetch_one(item, folder, ("https",), say) for item in source.downloads)


def check_fetched(source: Source) -> dict[str, str] | None:
    """The SHA-256 of each fetched file of a set by its name, or None where some are not there.

    Raises:
        FileError: if a file was altered since it was fetched.
    """
    folder = fetched_folder(source.name)
    if not source.downloads or not all((folder / item.file).exists() for item in source.downloads):
        return None
    return {item.file: _check(folder / item.file, item, source.name) for item in source.downloads}


def _check(path: Path, item: Download, name: str) -> str:
    sha256, expected = file_sha256(path), item.sha256 or _recorded(path)
    if expected is not None and sha256 != expected:
        raise FileError(
            f"{path} is not what was fetched: its SHA-256 is {sha256}, expected {expected}; delete "
            f"it and run `deepnrc data fetch {name}`"
        )
    return sha256


def _fetch_one(
    item: Download, folder: Path, schemes: tuple[str, ...], say: Callable[[str], None]
) -> Path:
    """Fetch one file; tests alone allow other schemes than https."""
    path = folder / item.file
    expected = item.sha256 or _recorded(path)
    if path.exists() and expected is not None and file_sha256(path) == expected:
        say(f"{path}: already there and unaltered")
        return path
    _check_scheme(item.url, schemes)
    say(f"{path}: fetching from {item.url}")
    try:
        make_folder(path.parent)
        with atomic_draft(path) as draft:
            with _open(item.url, schemes) as answer, draft.open("xb") as file:
                sha256 = _copy(answer, file, item.url)
            if expected is not None and sha256 != expected:
                raise FileError(
                    f"{item.url} gave a file with SHA-256 {sha256}, expected {expected}; it was "
                    "not kept. Try again; if this stays, the publisher has changed the file"
                )
            write_atomically(_record(path), f"{sha256}  {path.name}\n".encode())
    except FileError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise FileError(
            f"{item.url} cannot be fetched to {path} ({error}); check the network and the disk, or "
            "fetch it elsewhere and pass path=…"
        ) from error
    say(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {sha256}")
    return path


def _open(url: str, schemes: tuple[str, ...]) -> http.client.HTTPResponse:
    """The answer to a request; redirections stay within the schemes."""

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
        request, timeout=_PATIENCE
    )
    return answer


def _copy(answer: http.client.HTTPResponse, file: IO[bytes], url: str) -> str:
    """All bytes into the file, and their SHA-256."""
    digest = hashlib.sha256()
    received = 0
    while block := answer.read(_BLOCK):
        digest.update(block)
        received += len(block)
        file.write(block)
    announced = answer.headers["Content-Length"]
    if announced is not None and received != int(announced):  # read() ends without a word then
        raise FileError(
            f"{url} ended after {received} of {announced} bytes; nothing was kept. Try again"
        )
    return digest.hexdigest()


def _check_scheme(url: str, schemes: tuple[str, ...]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise FileError(f"{url}: expected an address over {' or '.join(schemes)}; it is not opened")


def _record(path: Path) -> Path:
    """Where the SHA-256 of the first download is kept, in the format of sha256sum."""
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    try:
        return _record(path).read_text().split()[0]
    except (OSError, IndexError):
        return None
