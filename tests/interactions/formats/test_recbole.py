"""RecBole's atomic files of interactions: tabs, and types in the header."""

from pathlib import Path

import pytest

from stages.run.errors import UserError
from tests.interactions.formats.layouts import read

TEXT = 'user_id:token\titem_id:token\trating:float\ttimestamp:float\tseq:token_seq\n1\ta"b\t4\t838985046.5\t1 2\n'


def test_ids_are_found_by_their_names_without_types(tmp_path: Path) -> None:
    path = tmp_path / "ml.inter"
    path.write_text(TEXT)
    assert read(path, "recbole") == {"user": ["1"], "item": ['a"b']}
    columns = {"user": "user_id", "item": "item_id", "rating": "rating", "timestamp": "timestamp"}
    found = read(path, "recbole", columns=columns)
    assert (found["rating"], found["timestamp"]) == ([4.0], [838985046.5])


def test_a_sequence_is_no_id(tmp_path: Path) -> None:
    path = tmp_path / "ml.inter"
    path.write_text(TEXT)
    with pytest.raises(UserError, match=r"column 'seq' is there 0 times, not once; it has .*seq:token_seq"):
        read(path, "recbole", columns={"user": "user_id", "item": "seq"})
