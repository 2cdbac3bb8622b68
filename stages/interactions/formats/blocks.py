"""Text cut into blocks of whole lines, which threads parse side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from stages.run.errors import UserError

PARSERS = 3  # threads
LONGEST_LINE = 2**26  # bytes
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
QUOTE = b'"'

Parsed = TypeVar("Parsed")


def blocks_of(pieces: Iterable[bytes], where: str, quoted: bool = False) -> Iterator[bytes]:
    r"""Join pieces of a text, and cut it into blocks at the ends of lines: \n, \r\n or \r.

    A byte order mark is left out.

    Parameters
    ----------
    where : the file, for the error message
    quoted : whether a line goes on after a line break between two quotes, as in RFC 4180

    Raises
    ------
    UserError
        where a line is longer than 64 MiB.
    """
    rest, mark, odd = b"", BYTE_ORDER_MARK, False
    for piece in pieces:
        end = _end_of_lines(piece, odd) if quoted else _last_line_end(piece)
        if end:
            yield (rest + piece[:end]).removeprefix(mark)
            rest, mark, odd = b"", b"", False
        rest += piece[end:]
        if len(rest) > LONGEST_LINE:
            quotes = ", or a quote does not close: then set format.quotes to false" if quoted else ""
            raise UserError(
                f"{where} has a line of more than {LONGEST_LINE:,} bytes ({rest[:50].decode(errors='replace')} …): it "
                f"is no text of this format{quotes}"
            )
        odd = quoted and rest.count(QUOTE) % 2 == 1
    if rest:
        yield rest.removeprefix(mark)


def _last_line_end(piece: bytes, end: int | None = None) -> int:
    """Where the last line ends before `end`; 0 if none does."""
    if b"\n" in piece:
        return piece.rfind(b"\n", 0, end) + 1
    # \r ends lines too; but the last byte may be half of \r\n.
    return piece.rfind(b"\r", 0, -1 if end is None else end) + 1


def _end_of_lines(piece: bytes, odd: bool) -> int:
    """Where the last line ends that does not go on in quotes; odd : whether the piece begins in quotes."""
    end = _last_line_end(piece)
    if not odd and QUOTE not in piece:
        return end
    # After an odd number of quotes, the line break is inside of them: go back to before the last quote.
    while end and (odd + piece.count(QUOTE, 0, end)) % 2:
        end = _last_line_end(piece, max(piece.rfind(QUOTE, 0, end), 0))
    return end


def misplaced_quote(block: bytes, separator: bytes) -> tuple[int, str] | None:
    """Position of the first quote that RFC 4180 does not allow, and what is wrong with it; None if all are right.

    A text in quotes begins and ends where the field does, and a quote in it is doubled. What programs make of other
    quotes differs.
    """
    if QUOTE not in block:
        return None
    data = np.frombuffer(block, dtype=np.uint8)
    places = np.flatnonzero(data == QUOTE[0])
    ends = np.frombuffer(separator + b'\r\n"', dtype=np.uint8)
    opening, closing = places[0::2], places[1::2]
    # A doubled quote closes a text and opens the next at once.
    faults = [
        (int(opening[found]), "a quote within a text that does not begin with one")
        for found in np.flatnonzero((opening > 0) & ~np.isin(data[opening - 1], ends))[:1]
    ]
    inner = closing[closing < len(data) - 1]
    faults += [
        (int(inner[found]), "a quote within quotes that is not doubled")
        for found in np.flatnonzero(~np.isin(data[inner + 1], ends))[:1]
    ]
    if len(places) % 2:
        faults.append((int(places[-1]), "a quote that does not close"))
    return min(faults, default=None)


def in_order(parse: Callable[[bytes], Parsed], blocks: Iterable[bytes]) -> Iterator[Parsed]:
    """Parse several blocks side by side, and yield what comes of them in order."""
    with ThreadPoolExecutor(PARSERS) as pool:
        ahead: deque[Future[Parsed]] = deque()
        for block in blocks:
            ahead.append(pool.submit(parse, block))
            if len(ahead) > PARSERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
