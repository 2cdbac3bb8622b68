"""A file that is known by its size and digest, and downloaded from where it can be had."""

import hashlib
from pathlib import Path

import requests
from requests import exceptions as http
from tqdm import tqdm

from stages.run.errors import UserError

SECONDS_WITHOUT_AN_ANSWER = 30
BREAKS_IN_A_ROW = 3  # without a byte between them, before the next address is tried
CHUNK = 2**20  # bytes


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def what_is_wrong(path: Path, size: int, sha256: str) -> str | None:
    """Say how a file differs from the expected one; None where it does not.

    Parameters
    ----------
    size : bytes
    sha256 : hexadecimal digest
    """
    found = path.stat().st_size
    if found != size:
        return f"{'cut short' if found < size else 'another file'} ({found:,} bytes, expected {size:,})"
    if (digest := sha256_of(path)) != sha256:
        return f"damaged or another file (sha256 {digest}, expected {sha256})"
    return None


def fetch(urls: list[str], target: Path, size: int, sha256: str) -> str:
    """Download a file from the first address that gives the expected one; return that address.

    A transfer that breaks off goes on where it stopped, also at the next address and in a later call. Progress goes
    to the terminal; certificates are verified.

    Parameters
    ----------
    target : what is there already is taken for the beginning of the file, and is left there on failure
    size : bytes
    sha256 : hexadecimal digest

    Raises
    ------
    UserError
        where no address gives it, with what failed at each.
    """
    failures = []
    for url in urls:
        problem = _fetch_from(url, target, size, sha256)
        if problem is None:
            return url
        failures.append(f"  {url}: {problem}")
    raise UserError("no address gave the file:\n" + "\n".join(failures))


def _fetch_from(url: str, target: Path, size: int, sha256: str) -> str | None:
    """Say why this address did not give the file; None where it did."""
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
        target.unlink()  # no beginning of the right file
        if not start:
            return problem
        # What was there before may have been of another file: once more, from the start.


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(url: str, target: Path, size: int) -> None:
    """Append what is missing; a server that can't send a part sends all, which replaces what is there."""
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
                    return  # another file, perhaps an endless one


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
