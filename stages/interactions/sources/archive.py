"""Downloads of files that are verified by size and digest."""

import hashlib
from pathlib import Path

import requests
from requests import exceptions as http
from tqdm import tqdm

from stages.run.errors import UserError

SECONDS_WITHOUT_AN_ANSWER = 30
BREAKS_IN_A_ROW = 3  # without a byte received, before the next address is tried
CHUNK = 2**20  # bytes


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def what_is_wrong(path: Path, size: int, sha256: str) -> str | None:
    """Describe how a file differs from the expected one; None if it does not.

    Parameters
    ----------
    size : expected size in bytes
    sha256 : expected hexadecimal digest
    """
    size_here = path.stat().st_size
    if size_here != size:
        return f"{'cut short' if size_here < size else 'another file'} ({size_here:,} bytes, expected {size:,})"
    if (digest := sha256_of(path)) != sha256:
        return f"damaged or another file (sha256 {digest}, expected {sha256})"
    return None


def fetch(urls: list[str], target: Path, size: int, sha256: str) -> str:
    """Download a file from the first address that serves the expected file, and return that address.

    An interrupted transfer is resumed where it stopped, even from another address or in a later call. Progress is shown
    on the terminal; certificates are verified.

    Parameters
    ----------
    urls : addresses, in the order in which they are tried
    target : file to write; existing content is taken as the start of the file, and stays there after an interruption
    size : expected size in bytes
    sha256 : expected hexadecimal digest

    Raises
    ------
    UserError
        where no address serves the file; with the reason for each address.
    """
    failures = []
    for url in urls:
        problem = _fetch_from(url, target, size, sha256)
        if problem is None:
            return url
        failures.append(f"  {url}: {problem}")
    raise UserError("no address gave the file:\n" + "\n".join(failures))


def _fetch_from(url: str, target: Path, size: int, sha256: str) -> str | None:
    """Reason why this address did not serve the file; None if it did."""
    breaks = 0
    while True:
        start = _size(target)
        try:
            if start < size:
                _transfer(url, target, size)
            problem = what_is_wrong(target, size, sha256)
        except http.RequestException as error:
            breaks = breaks + 1 if _size(target) == start else 0
            if isinstance(error, http.ConnectionError | http.ChunkedEncodingError | http.Timeout) and (
                0 < _size(target) < size and breaks < BREAKS_IN_A_ROW
            ):
                continue
            return _reason(error)
        if problem is None:
            return None
        target.unlink()  # not a start of the expected file
        if not start:
            return problem
        # The content from before may belong to another file: retry from the start.


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, target: Path, size: int) -> None:
    """Append the missing bytes; a server without range requests sends the whole file, which replaces the target."""
    start = _size(target)
    asked = {"Range": f"bytes={start}-"} if start else {}
    with requests.get(url, headers=asked, stream=True, timeout=SECONDS_WITHOUT_AN_ANSWER) as answer:
        answer.raise_for_status()
        is_rest = answer.status_code == requests.codes.partial_content
        with (
            target.open("ab" if is_rest else "wb") as file,
            tqdm(total=size, initial=start if is_rest else 0, unit="B", unit_scale=True, desc=target.name) as progress,
        ):
            for chunk in answer.iter_content(CHUNK):
                progress.update(file.write(chunk))
                if file.tell() > size:
                    return  # not the expected file, and perhaps endless


def _reason(error: http.RequestException) -> str:
    match error:
        case http.SSLError():
            return "its certificate is not valid, or the connection is not secure"
        case http.Timeout():
            return f"no answer within {SECONDS_WITHOUT_AN_ANSWER} s"
        case http.HTTPError(response=response) if response is not None:
            return f"answered {response.status_code} {response.reason}"
        case http.ChunkedEncodingError():
            return "the connection broke off"
        case http.ConnectionError():
            return "no connection"
        case _:
            return " ".join(str(error).split())
