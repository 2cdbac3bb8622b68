"""An archive that is known by its size and digest, and fetched from where it can be had."""

from pathlib import Path

import pooch
from requests import exceptions as http

from stages.errors import UserError

SECONDS_WITHOUT_AN_ANSWER = 30


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
    digest = pooch.file_hash(str(path))
    if digest != sha256:
        return f"damaged or another file (sha256 {digest}, expected {sha256})"
    return None


def fetch(urls: list[str], target: Path, size: int, sha256: str) -> str:
    """Download a file from the first address that gives the expected one; return that address.

    Progress goes to the terminal. Certificates are verified.

    Parameters
    ----------
    target : is written, and overwritten by each address that is tried
    size : bytes
    sha256 : hexadecimal digest

    Raises
    ------
    UserError
        where no address gives it, with what failed at each.
    """
    download = pooch.HTTPDownloader(progressbar=True, chunk_size=2**20, timeout=SECONDS_WITHOUT_AN_ANSWER)
    failures = []
    for url in urls:
        try:
            download(url, target, None)
            problem = what_is_wrong(target, size, sha256)
        except http.RequestException as error:
            problem = _reason(error)
        if problem is None:
            return url
        failures.append(f"  {url}: {problem}")
    raise UserError("no address gave the archive:\n" + "\n".join(failures))


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
