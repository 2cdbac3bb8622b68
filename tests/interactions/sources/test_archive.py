"""Fetching a file, from a real server on this machine that misbehaves in the ways that servers do."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.interactions.sources.archive import fetch, what_is_wrong
from stages.run.errors import UserError

CONTENT = bytes(range(256)) * 40_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PIECE = 4_000_000  # after which `/breaks` hangs up


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, int]] = []
        """Path and first byte of each request."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        self.server.asked.append((self.path, start))
        match self.path:
            case "/missing":
                self.send_error(404)
            case "/busy":
                self.send_error(503)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/good")
                self.end_headers()
            case "/good":
                self.answer(CONTENT, start)
            case "/other":
                self.answer(CONTENT[::-1], start)
            case "/longer":
                self.answer(CONTENT * 3, start)
            case "/breaks":
                self.answer(CONTENT, start, PIECE)
            case "/breaks-without-ranges":
                self.answer(CONTENT, 0, PIECE)
            case "/without-ranges":
                self.answer(CONTENT, 0)

    def answer(self, content: bytes, start: int, at_most: int | None = None) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = None if at_most is None else start + at_most
        with suppress(ConnectionError):  # they had enough
            self.wfile.write(content[start:end])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "archive.zip"


@pytest.mark.parametrize("bad", ["/missing", "/busy", "/other", "/longer", "/breaks-without-ranges"])
def test_an_address_that_fails_is_followed_by_the_next(target: Path, address: str, bad: str) -> None:
    assert fetch([address + bad, address + "/good"], target, len(CONTENT), SHA256) == address + "/good"
    assert target.read_bytes() == CONTENT


def test_redirects_are_followed(target: Path, address: str) -> None:
    fetch([address + "/moved"], target, len(CONTENT), SHA256)
    assert what_is_wrong(target, len(CONTENT), SHA256) is None


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(target: Path, address: str, server: Server) -> None:
    fetch([address + "/breaks"], target, len(CONTENT), SHA256)
    assert target.read_bytes() == CONTENT
    starts = [start for _, start in server.asked]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[1] > PIECE / 2


def test_what_an_earlier_call_left_is_gone_on_with(target: Path, address: str, server: Server) -> None:
    target.write_bytes(CONTENT[:1000])
    fetch([address + "/good"], target, len(CONTENT), SHA256)
    assert target.read_bytes() == CONTENT
    assert server.asked == [("/good", 1000)]


def test_a_server_that_sends_no_parts_is_taken_from_the_start(target: Path, address: str) -> None:
    target.write_bytes(CONTENT[:1000])
    fetch([address + "/without-ranges"], target, len(CONTENT), SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("length", [1000, len(CONTENT), len(CONTENT) + 1000])
def test_what_is_left_of_another_file_is_replaced(target: Path, address: str, length: int) -> None:
    target.write_bytes(bytes(length))
    fetch([address + "/good"], target, len(CONTENT), SHA256)
    assert target.read_bytes() == CONTENT


def test_when_no_address_works_each_says_why(target: Path, address: str) -> None:
    nobody = "http://127.0.0.1:1/archive.zip"
    urls = [*(address + path for path in ("/missing", "/busy", "/other", "/longer", "/breaks-without-ranges")), nobody]
    with pytest.raises(UserError) as raised:
        fetch(urls, target, len(CONTENT), SHA256)
    lines = str(raised.value).splitlines()
    assert lines[0] == "no address gave the file:"
    assert lines[1] == f"  {urls[0]}: answered 404 Not Found"
    assert lines[2] == f"  {urls[1]}: answered 503 Service Unavailable"
    assert lines[3].startswith(f"  {urls[2]}: damaged or another file (sha256 ")
    assert lines[4].startswith(f"  {urls[3]}: another file (")
    assert lines[5] == f"  {urls[4]}: the connection broke off"
    assert lines[6] == f"  {urls[5]}: no connection"


def test_a_file_cut_short_is_told_from_another_file(target: Path) -> None:
    target.write_bytes(CONTENT[:-1])
    assert (what_is_wrong(target, len(CONTENT), SHA256) or "").startswith("cut short (10,239,999 bytes")
    target.write_bytes(CONTENT + b"!")
    assert (what_is_wrong(target, len(CONTENT), SHA256) or "").startswith("another file (10,240,001 bytes")
