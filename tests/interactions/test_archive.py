"""Fetching an archive, from a real server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.errors import UserError
from stages.interactions.archive import fetch, what_is_wrong

CONTENT = bytes(range(256)) * 40_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            body = {"/good": CONTENT, "/other": CONTENT[::-1], "/cut": CONTENT[:5_000_000]}[self.path]
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("bad", ["/missing", "/other", "/cut"])
def test_an_address_that_fails_is_followed_by_the_next(tmp_path: Path, address: str, bad: str) -> None:
    target = tmp_path / "archive.zip"
    assert fetch([address + bad, address + "/good"], target, len(CONTENT), SHA256) == address + "/good"
    assert target.read_bytes() == CONTENT


def test_redirects_are_followed(tmp_path: Path, address: str) -> None:
    fetch([address + "/moved"], tmp_path / "archive.zip", len(CONTENT), SHA256)
    assert what_is_wrong(tmp_path / "archive.zip", len(CONTENT), SHA256) is None


def test_when_no_address_works_each_says_why(tmp_path: Path, address: str) -> None:
    nobody = "http://127.0.0.1:1/archive.zip"
    urls = [address + "/missing", address + "/other", address + "/cut", nobody]
    with pytest.raises(UserError) as raised:
        fetch(urls, tmp_path / "archive.zip", len(CONTENT), SHA256)
    lines = str(raised.value).splitlines()
    assert lines[0] == "no address gave the archive:"
    assert lines[1] == f"  {urls[0]}: answered 404 Not Found"
    assert lines[2].startswith(f"  {urls[1]}: damaged or another file (sha256 ")
    assert lines[3] == f"  {urls[2]}: the connection broke off"
    assert lines[4] == f"  {urls[3]}: no connection"


def test_a_file_cut_short_is_told_from_another_file(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(CONTENT[:-1])
    assert (what_is_wrong(path, len(CONTENT), SHA256) or "").startswith("cut short (10,239,999 bytes")
    path.write_bytes(CONTENT + b"!")
    assert (what_is_wrong(path, len(CONTENT), SHA256) or "").startswith("another file (10,240,001 bytes")
