"""The file of measured times is checked when it is read."""

from pathlib import Path

import pytest

from stages.run.errors import UserError
from stages.serving.times import read_times
from tests.serving.made_up_times import made_up_times


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "serving.json"
    path.write_text(made_up_times().model_dump_json())
    assert read_times(path, "x") == made_up_times()


@pytest.mark.parametrize("content", ["", "{}", '{"machine": 1, "ways": [], "users": []}', "[" * 10_000])
def test_what_is_missing_or_damaged_is_said_with_the_command_that_makes_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "serving.json"
    with pytest.raises(UserError, match=r"there is no .*serving\.json, so nothing is known of times; run: measure it"):
        read_times(path, "measure it")
    path.write_text(content)
    with pytest.raises(UserError, match=r"serving\.json does not hold what it should; run again: measure it"):
        read_times(path, "measure it")
