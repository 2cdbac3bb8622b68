"""Logs with everything that text can hold, against Python's csv, json and decimal; cut into pieces at every byte."""

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stages.config.dataset import Columns, CsvFormat, Format, Ids, JsonLinesFormat
from stages.interactions.formats import packed, reader_of
from stages.interactions.protocol.log import above
from stages.run.errors import UserError
from tests.interactions.formats.layouts import layout as layout_like

AWKWARD = "ab0\"\t,;:|\n\r\\'\x1f\x85\u2028é𝄞 #"
Row = list[str]
pieces = st.integers(1, 40)  # bytes
LINE_ENDS = ["\n", "\r\n", "\r"]


def rows_of(letters: str) -> st.SearchStrategy[list[Row]]:
    """Rows of user, item and a text that is not read; ids are not empty."""
    ids = st.text(letters, min_size=1, max_size=4)
    return st.lists(st.tuples(ids, ids, st.text(letters, max_size=6)).map(list), min_size=1, max_size=12)


def read(layout: Format, content: bytes, piece: int) -> list[tuple[object, ...]]:
    """User and item of each row, as the reader gives them."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "PIECE", piece)
        path = Path(folder, "log")
        path.write_bytes(content)
        rows = [row for batch, _ in reader_of(layout).read(path) for row in batch.to_pylist()]
    return [(row["user"], row["item"]) for row in rows]


def layout_of(separator: str = ",", quotes: bool | None = None, ids: Ids = "string") -> CsvFormat:
    return CsvFormat(
        kind="csv", separator=separator, quotes=quotes, ids=ids, columns=Columns(user=1, item=2), missing_words=[]
    )


@settings(max_examples=400, deadline=None)
@given(rows_of(AWKWARD), st.sampled_from([",", ";", "|", "\t"]), st.sampled_from(LINE_ENDS), st.booleans(), pieces)
def test_quoted_text_is_read_as_by_csv(rows: list[Row], separator: str, end: str, all_quoted: bool, piece: int) -> None:
    file = io.StringIO(newline="")
    csv.writer(
        file, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    ).writerows(rows)
    expected = list(csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator))
    assume(all(len(fields) == 3 and all(fields[:2]) for fields in expected))  # Python leaves some breaks unquoted
    found = read(layout_of(separator, quotes=True), file.getvalue().encode(), piece)
    assert found == [(user, item) for user, item, _ in expected]


@settings(max_examples=400, deadline=None)
@given(rows_of("ab\"\\'\x85\u2028é𝄞,;: "), st.sampled_from(["\t", "|", "\x01"]), st.sampled_from(LINE_ENDS), pieces)
def test_a_quote_is_a_letter_where_quotes_mean_nothing(rows: list[Row], separator: str, end: str, piece: int) -> None:
    content = "".join(separator.join(row) + end for row in rows)
    found = read(layout_of(separator, quotes=False), content.encode(), piece)
    assert found == [(user, item) for user, item, _ in rows]


@settings(max_examples=200, deadline=None)
@given(rows_of('ab"\t,\u2028é;'), pieces)
def test_two_colons_separate(rows: list[Row], piece: int) -> None:
    content = "".join("::".join(row) + "\n" for row in rows)
    assert read(layout_of("::"), content.encode(), piece) == [(user, item) for user, item, _ in rows]


@settings(max_examples=500, deadline=None)
@given(st.text('ab",\n\r', max_size=30), pieces)
def test_any_text_is_read_as_by_csv_or_refused(text: str, piece: int) -> None:
    expected = [fields for fields in csv.reader(io.StringIO(text, newline="")) if fields]
    try:
        found = read(layout_of(), text.encode(), piece)
    except UserError:
        return
    assert found == [(fields[0], fields[1]) for fields in expected]
    assert len({len(fields) for fields in expected}) == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-(2**64), 2**64)] * 2), min_size=1, max_size=5), pieces)
def test_integer_ids_are_read_or_refused(rows: list[tuple[int, int]], piece: int) -> None:
    content = "".join(f"{user},{item}\n" for user, item in rows).encode()
    if all(-(2**63) <= number < 2**63 for row in rows for number in row):
        assert read(layout_of(ids="integer"), content, piece) == rows
    else:
        with pytest.raises(UserError, match=r"is no integer of 64 bits"):
            read(layout_of(ids="integer"), content, piece)


@settings(max_examples=300, deadline=None)
@given(st.text(AWKWARD + "x+-._eE", min_size=1, max_size=5))
def test_text_is_an_integer_id_only_if_it_is_one(text: str) -> None:
    content = "".join(letter for letter in text if letter not in ',\n\r"\t')
    try:
        found = read(layout_of(ids="integer"), f"{content},1\n".encode(), 40)
    except UserError:
        return
    assert found == [(int(content, 10), 1)]


@settings(max_examples=300, deadline=None)
@given(rows_of(AWKWARD), st.booleans(), st.sampled_from(["\n", "\r\n"]), pieces)
def test_json_lines_are_read_as_by_json(rows: list[Row], ascii_only: bool, end: str, piece: int) -> None:
    keys = ("user", "item", "text")
    content = "".join(json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=ascii_only) + end for row in rows)
    layout = JsonLinesFormat(kind="jsonl", ids="string", columns=Columns(user="user", item="item"), missing_words=[])
    assert read(layout, content.encode(), piece) == [(user, item) for user, item, _ in rows]


@settings(max_examples=500, deadline=None)
@given(st.text("0123 \n\r\t-,x٣", max_size=30), pieces)
def test_users_with_their_items_are_read_as_by_split_or_refused(text: str, piece: int) -> None:
    lines = text.encode().splitlines()
    is_right = any(lines) and all(re.fullmatch(rb"([0-9]+( [0-9]+)* ?)?", line) for line in lines)
    if is_right:
        words = [line.split() for line in lines]
        expected = [(int(user), int(item)) for user, *items in filter(None, words) for item in items]
        assert read(layout_like("lightgcn"), text.encode(), piece) == expected
    else:
        with pytest.raises(UserError, match=r", line [0-9]+: .*; a line is a user and their items|is empty"):
            read(layout_like("lightgcn"), text.encode(), piece)


@settings(max_examples=500, deadline=None)
@given(
    st.decimals(-10, 10, places=2),
    st.decimals(-10, 10, places=2),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_a_rating_is_above_a_threshold_as_in_decimals(rating: Decimal, threshold: Decimal, dtype: type) -> None:
    stored: np.ndarray = np.array([rating], dtype=dtype)
    expected = Decimal(str(stored[0])) > threshold
    assert above(stored, float(threshold)).tolist() == [expected]
