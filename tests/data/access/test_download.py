"""Fetching from a real server on this machine; the public function insists on https."""

import gzip
import hashlib
import http.server
import io
import threading
import zipfile
import zlib

import h5py
import numpy as np
import pytest

from deepnrc.data import fetch, find_source
from deepnrc.data.access.download import _fetch_one, check_fetched, fetched_folder
from deepnrc.data.source import Download
from deepnrc.errors import ArgumentError, FileError

CONTENT = bytes(range(256)) * 9000  # more than two blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == "/file":
            self._answer(CONTENT, len(CONTENT))
        elif self.path == "/endless":  # no length announced
            self._answer(CONTENT, None)
        elif self.path == "/short":
            self._answer(CONTENT[:1000], len(CONTENT))
        elif self.path.startswith("/raw/"):  # bytes of the whole answer, as the test gives them
            self.wfile.write(self.server.raw)
            self.close_connection = True
        elif self.path == "/linked":  # as Hugging Face: the checksum comes with the redirection
            self.send_response(302)
            self.send_header("Location", "/file")
            self.send_header("X-Linked-ETag", f'"{self.server.linked}"')
            self.end_headers()
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        else:
            self.send_error(404)

    def _answer(self, content, length):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that gives up is no matter."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.base = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def seen(folder):
    """Names of the files, without the lock."""
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.endswith(".lock"))


def get(server, path, folder, *, sha256=None, say=lambda line: None, name="data.bin"):
    item = Download(f"{server.base}{path}", name, sha256)
    return _fetch_one(item, folder, ("http",), say)


@pytest.mark.parametrize(
    ("path", "sha256"),
    [("/file", SHA256), ("/endless", SHA256), ("/to//file", SHA256), ("/file", None)],
)
def test_a_file_is_fetched_whole_and_its_sum_kept(server, tmp_path, path, sha256):
    said = []
    folder = tmp_path / "new" / "folder"
    file = get(server, path, folder, sha256=sha256, say=said.append)
    assert file.read_bytes() == CONTENT
    assert seen(folder) == ["data.bin", "data.bin.sha256"]
    assert (folder / "data.bin.sha256").read_text() == f"{SHA256}  data.bin\n"
    assert said == [
        f"{file}: downloading from {server.base}{path}",
        f"{file}: 2,304,000 bytes, SHA-256 {SHA256}",
    ]


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    said = []
    for _ in range(2):
        file = get(server, "/file", tmp_path, say=said.append)
    assert server.requests == ["/file"]
    assert said[2] == f"{file}: already there and unaltered"


def test_what_was_altered_is_fetched_again(server, tmp_path):
    get(server, "/file", tmp_path).write_bytes(b"something else")
    assert get(server, "/file", tmp_path).read_bytes() == CONTENT


def test_another_content_than_expected_is_not_kept(server, tmp_path):
    with pytest.raises(FileError, match=rf"the SHA-256 {'0' * 64}; got {SHA256}, and the file"):
        get(server, "/file", tmp_path, sha256="0" * 64)
    assert seen(tmp_path) == []


def test_the_sum_of_the_first_download_holds(server, tmp_path):
    get(server, "/file", tmp_path).unlink()
    (tmp_path / "data.bin.sha256").write_text(f"{'1' * 64}  data.bin\n")
    with pytest.raises(FileError, match=f"SHA-256 {'1' * 64}; .* the publisher has changed"):
        get(server, "/file", tmp_path)


def test_a_download_that_ends_early_is_not_kept(server, tmp_path):
    with pytest.raises(FileError, match="/short ended after 1000 of 2304000 bytes, and nothing"):
        get(server, "/short", tmp_path)
    assert seen(tmp_path) == []


def test_an_old_file_survives_a_failed_download(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"old")
    with pytest.raises(FileError, match="ended after"):
        get(server, "/short", tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"old"


def test_what_the_server_refuses(server, tmp_path):
    with pytest.raises(
        FileError, match=r"/none cannot be downloaded to .*data\.bin \(HTTP Error 404"
    ):
        get(server, "/none", tmp_path)


def test_no_server(tmp_path):
    item = Download("http://127.0.0.1:9/x", "x", None)
    with pytest.raises(FileError, match=r"cannot be downloaded to .*: check the network and"):
        _fetch_one(item, tmp_path, ("http",), print)


@pytest.mark.parametrize("there", ["ftp://127.0.0.1/x", "https://127.0.0.1/x"])
def test_redirections_to_other_schemes_are_not_followed(server, tmp_path, there):
    with pytest.raises(FileError, match=f"address must begin with http://; got {there}"):
        get(server, f"/to/{there}", tmp_path)


@pytest.fixture
def source(change_toy, server):
    """The toy set with a download from the server."""
    return change_toy(downloads=(Download(f"{server.base}/file", "data.bin", None),))


def test_the_public_function_opens_https_only(source, server, tmp_path):
    for path in (None, tmp_path):
        with pytest.raises(FileError, match=r"must begin with https://; got http://127"):
            fetch("toy", path)
    assert server.requests == []


def test_nothing_to_fetch():
    with pytest.raises(ArgumentError, match=r"'gemm' has no files .*: it comes from measured on"):
        fetch("gemm")


def test_fetched_files_are_checked(source, server, home):
    assert check_fetched(source) is None
    assert fetched_folder("toy") == home / "fetched" / "toy"
    file = get(server, "/file", fetched_folder("toy"))
    assert check_fetched(source) == {"data.bin": SHA256}
    file.write_bytes(CONTENT[:-1])
    with pytest.raises(FileError, match=r"data\.bin was altered after .* must be " + SHA256):
        check_fetched(source)
    assert check_fetched(find_source("gemm")) is None


def answer(*lines, body=b"", status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def chunked(body):
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


PACKED = gzip.compress(CONTENT)


@pytest.mark.parametrize(
    "raw",
    [
        answer("Transfer-Encoding: chunked", body=chunked(CONTENT)),
        answer(f"Content-Length: {len(PACKED)}", "Content-Encoding: gzip", body=PACKED),
        answer("Transfer-Encoding: chunked", "Content-Encoding: GZIP", body=chunked(PACKED)),
        answer(f"Content-Length: {len(zlib.compress(CONTENT))}", "Content-Encoding: deflate",
               body=zlib.compress(CONTENT)),
        answer(f"Content-Length: {len(CONTENT)}", f"Content-Length: {len(CONTENT)}", body=CONTENT),
        answer("Content-Encoding: identity", f"Content-Length: {len(CONTENT)}", body=CONTENT),
    ],
)  # fmt: skip
def test_bodies_that_are_whole(server, tmp_path, raw):
    server.raw = raw
    assert get(server, "/raw/", tmp_path).read_bytes() == CONTENT


BAD = [
    (answer("Content-Length: many", body=CONTENT), "one whole number as Content-Length; got many"),
    (answer("Content-Length: -5", body=CONTENT), "Content-Length; got -5, and nothing was kept"),
    (answer("Content-Length: 7", "Content-Length: 8", body=CONTENT), "got 7 and 8, and nothing w"),
    (answer("Content-Length: 9999999", body=CONTENT), "ended after 2304000 of 9999999 bytes"),
    (answer("Transfer-Encoding: chunked", body=chunked(CONTENT)[:-1000]), "ended after .* bytes"),
    (answer(f"Content-Length: {len(PACKED) - 9}", "Content-Encoding: gzip", body=PACKED[:-9]),
     "came encoded and cut after"),
    (answer("Content-Encoding: gzip", body=PACKED[: len(PACKED) // 2]), "came encoded and cut af"),
    (answer("Content-Encoding: gzip", body=b"no gzip" * 99), r"came encoded and damaged \(Error "),
    (answer("Content-Encoding: br", body=CONTENT), "the Content-Encoding 'br', which was not ask"),
    (answer("Content-Length: 0", status="204 No Content"), "with status 204 in place of 200"),
    (answer("Content-Length: 5", status="206 Partial Content", body=b"12345"), "with status 206"),
    (answer(body=CONTENT[:1000]), r"not whole \(the server told neither its length nor its SHA-2"),
    (b"no HTTP at all\r\n\r\n", "cannot be downloaded to"),
    (b"", "cannot be downloaded to"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "message"), BAD)
def test_bodies_that_are_not_kept(server, tmp_path, raw, message):
    server.raw = raw
    with pytest.raises(FileError, match=message):
        get(server, "/raw/", tmp_path)
    assert seen(tmp_path) == []


def test_a_cut_without_a_length_is_noticed_by_a_checksum(server, tmp_path):
    server.raw = answer(body=CONTENT[:1000])
    with pytest.raises(FileError, match=f"must have the SHA-256 {SHA256}; got"):
        get(server, "/raw/", tmp_path, sha256=SHA256)
    assert seen(tmp_path) == []


def test_the_checksum_that_comes_with_a_redirection_holds(server, tmp_path):
    server.linked = SHA256
    assert get(server, "/linked", tmp_path).read_bytes() == CONTENT
    (tmp_path / "data.bin.sha256").unlink()
    server.linked = "0" * 64
    with pytest.raises(FileError, match=f"must have the SHA-256 {'0' * 64}; got {SHA256}, and the"):
        get(server, "/linked", tmp_path)
    assert get(server, "/file", tmp_path, sha256=SHA256).read_bytes() == CONTENT


def contents():
    packed, drawn = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.csv", "a,b\n" * 999)
    with h5py.File(drawn, "w") as file:
        file["x"] = np.arange(9999.0)
    return {"x.zip": packed.getvalue(), "x.hdf5": drawn.getvalue()}


@pytest.mark.parametrize("name", ["x.zip", "x.hdf5"])
def test_where_no_checksum_is_known_the_content_tells(server, tmp_path, name):
    content = contents()[name]
    server.raw = answer(body=content)
    assert get(server, "/raw/", tmp_path / "whole", name=name).read_bytes() == content
    for body in (content[:-100], content[: len(content) // 2], b"<html>Sign in</html>"):
        server.raw = answer(f"Content-Length: {len(body)}", body=body)
        with pytest.raises(
            FileError, match=r"is not whole \(.*\), and was not kept: try again; if"
        ):
            get(server, "/raw/", tmp_path, name=name)
        assert seen(tmp_path) == ["whole"]


def test_more_than_the_disk_holds_is_not_begun(server, tmp_path):
    server.raw = answer(f"Content-Length: {10**18}", body=CONTENT)
    with pytest.raises(
        FileError, match=r"has 1,000,000,000,000,000,000 bytes, but only [\d,]+ are"
    ):
        get(server, "/raw/", tmp_path)
    assert seen(tmp_path) == []


def test_drafts_of_killed_downloads_are_removed(server, tmp_path):
    for name in (".data.bin.0123abcd.draft", ".data.bin2.0123abcd.draft"):
        (tmp_path / name).write_bytes(b"half of it")
    get(server, "/file", tmp_path)
    assert seen(tmp_path) == [".data.bin2.0123abcd.draft", "data.bin", "data.bin.sha256"]


def test_what_is_there_needs_no_right_to_write(server, tmp_path):
    get(server, "/file", tmp_path)
    (tmp_path / ".data.bin.lock").unlink()
    get(server, "/file", tmp_path)
    assert seen(tmp_path) == sorted(entry.name for entry in tmp_path.iterdir())


@pytest.mark.parametrize("record", [None, "", "0" * 63, "text"])
def test_a_file_that_lost_its_record_is_refused(source, server, record):
    file = get(server, "/file", fetched_folder("toy"))
    place = file.with_name("data.bin.sha256")
    place.unlink() if record is None else place.write_text(record)
    message = (
        r"data\.bin cannot be checked, because 'data\.bin\.sha256', .* is missing or damaged: run"
    )
    with pytest.raises(FileError, match=message):
        check_fetched(source)
    get(server, "/file", fetched_folder("toy"))  # downloads it anew
    assert check_fetched(source) == {"data.bin": SHA256}


def test_a_checksum_of_the_package_needs_no_record(change_toy, server, home):
    item = Download(f"{server.base}/file", "data.bin", SHA256)
    source = change_toy(downloads=(item,))
    file = get(server, "/file", fetched_folder("toy"), sha256=SHA256)
    file.with_name("data.bin.sha256").unlink()
    assert check_fetched(source) == {"data.bin": SHA256}
