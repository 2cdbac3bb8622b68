"""What stands between two marks of a page is made by a script."""

import sys


def between(page: str, begin: str, end: str, text: str) -> str:
    """The page with another text between its marks, a blank line on either side.

    Parameters
    ----------
    begin, text : with their line's end
    end : the first one after `begin` counts

    Raises
    ------
    SystemExit
        where the page lacks a mark.
    """
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        sys.exit(f"error: a page lacks its mark {(end if found_begin else begin).strip()}")
    return f"{before}{begin}\n{text}\n{end}{after}"
