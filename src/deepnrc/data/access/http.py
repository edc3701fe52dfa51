"""The body of a web address, complete or refused."""

import hashlib
import http.client
import re
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from deepnrc.errors import FileError

__all__ = ["Received", "check_scheme", "receive"]

_BLOCK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte
_AGAIN = "and nothing was kept: try again"


@dataclass(frozen=True)
class Received:
    """What came.

    Attributes:
        sha256: Of the content, after decoding.
        counted: Whether the server told the length, so that a cut would have been noticed.
        published: SHA-256 that the publisher's server gave with the address, as Hugging Face does;
            None from others.
    """

    sha256: str
    counted: bool
    published: str | None


def receive(
    url: str,
    file: IO[bytes],
    schemes: tuple[str, ...],
    *,
    expect: Callable[[int], None] = lambda size: None,
) -> Received:
    """Copy the content of an address to an open file.

    Args:
        url: The address.
        file: Open for writing.
        schemes: Allowed beginnings of addresses, also of those that it redirects to.
        expect: Called with the length in bytes before the first is read, where the server tells it.

    Raises:
        FileError: The body is cut, or of a length, encoding or status that cannot be used; an
            address has another scheme.
        OSError: The network fails.
        HTTPException: The server does not speak HTTP.
    """
    redirections = _Redirections(schemes)
    headers = {"User-Agent": "deepnrc", "Accept-Encoding": "identity"}
    check_scheme(url, schemes)
    opener = urllib.request.build_opener(redirections)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as answer:
        if answer.status != 200:
            raise FileError(f"{url} answered with status {answer.status} in place of 200, {_AGAIN}")
        announced = _length(answer, url)
        if announced is not None:
            expect(announced)
        sha256 = _copy(answer, file, announced, _decoder(answer, url), url)
    counted = announced is not None or bool(answer.chunked)
    return Received(sha256, counted, redirections.published)


def check_scheme(url: str, schemes: tuple[str, ...]) -> None:
    """Require an address to begin as allowed.

    Raises:
        FileError: It does not.
    """
    if urlsplit(url).scheme not in schemes:
        raise FileError(f"address must begin with {' or '.join(schemes)}://; got {url}")


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Refuses redirections to other schemes; keeps the checksum that Hugging Face sends along."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self._schemes = schemes
        self.published: str | None = None

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_scheme(newurl, self._schemes)
        linked = headers.get("X-Linked-ETag", "").strip('"').lower()
        if re.fullmatch(r"[0-9a-f]{64}", linked):
            self.published = linked
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _length(answer: http.client.HTTPResponse, url: str) -> int | None:
    """The announced number of bytes; None where the server gives none."""
    lengths = {text.strip() for text in answer.headers.get_all("Content-Length") or ()}
    if not lengths or answer.chunked:
        return None
    text = lengths.pop()
    if lengths or not re.fullmatch(r"\d+", text, re.ASCII):
        got = " and ".join(sorted({text, *lengths}))
        raise FileError(f"{url} must have one whole number as Content-Length; got {got}, {_AGAIN}")
    return int(text)


def _decoder(answer: http.client.HTTPResponse, url: str) -> Any:
    """What undoes the encoding of the body, which some servers and proxies apply unasked."""
    encoding = (answer.headers.get("Content-Encoding") or "identity").strip().lower()
    if encoding == "identity":
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # of both formats
    raise FileError(
        f"{url} came with the Content-Encoding {encoding!r}, which was not asked for, {_AGAIN}, or "
        "download it with a browser and pass path=…"
    )


def _copy(
    answer: http.client.HTTPResponse, file: IO[bytes], announced: int | None, decoder: Any, url: str
) -> str:
    """Copy all bytes to the file; the SHA-256 of what was written."""
    digest = hashlib.sha256()
    received = 0

    def write(content: bytes) -> None:
        digest.update(content)
        file.write(content)

    try:
        while block := answer.read(_BLOCK):
            received += len(block)
            if decoder is None:
                write(block)
                continue
            write(decoder.decompress(block, _BLOCK))
            while decoder.unconsumed_tail:  # a small block may become a large one
                write(decoder.decompress(decoder.unconsumed_tail, _BLOCK))
    except http.client.IncompleteRead as error:
        received += len(error.partial)
        raise FileError(f"{url} ended after {received} bytes, before its end, {_AGAIN}") from error
    except zlib.error as error:
        raise FileError(f"{url} came encoded and damaged ({error}), {_AGAIN}") from error
    if announced is not None and received != announced:  # read() does not raise then
        raise FileError(f"{url} ended after {received} of {announced} bytes, {_AGAIN}")
    if decoder is not None:
        write(decoder.flush())
        if not decoder.eof or decoder.unused_data:
            raise FileError(f"{url} came encoded and cut after {received} bytes, {_AGAIN}")
    return digest.hexdigest()
