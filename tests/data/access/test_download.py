"""Fetching from a real server on this machine; the public function insists on https."""

import hashlib
import http.server
import threading

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


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.base = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, path, folder, *, sha256=None, say=lambda line: None):
    item = Download(f"{server.base}{path}", "data.bin", sha256)
    return _fetch_one(item, folder, ("http",), say)


@pytest.mark.parametrize("path", ["/file", "/endless", "/to//file"])
@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_file_is_fetched_whole_and_its_sum_kept(server, tmp_path, path, sha256):
    said = []
    folder = tmp_path / "new" / "folder"
    file = get(server, path, folder, sha256=sha256, say=said.append)
    assert file.read_bytes() == CONTENT
    assert {entry.name for entry in folder.iterdir()} == {"data.bin", "data.bin.sha256"}
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
    assert list(tmp_path.iterdir()) == []


def test_the_sum_of_the_first_download_holds(server, tmp_path):
    get(server, "/file", tmp_path).unlink()
    (tmp_path / "data.bin.sha256").write_text(f"{'1' * 64}  data.bin\n")
    with pytest.raises(FileError, match=f"SHA-256 {'1' * 64}; .* the publisher has changed"):
        get(server, "/file", tmp_path)


def test_a_download_that_ends_early_is_not_kept(server, tmp_path):
    with pytest.raises(FileError, match="/short ended after 1000 of 2304000 bytes, and nothing"):
        get(server, "/short", tmp_path)
    assert list(tmp_path.iterdir()) == []


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
