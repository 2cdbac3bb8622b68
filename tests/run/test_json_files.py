"""JSON comes back as it was written, or is refused in one sentence."""

import math
from pathlib import Path

import pytest

from stages.config.strict import Strict
from stages.run.errors import UserError
from stages.run.json_files import read_json, write_json
from tests.damage import sealed


class Stored(Strict):
    bytes: float
    lost: float | None


def test_json_comes_back(tmp_path: Path) -> None:
    write_json({"bytes": 20.5, "lost": None}, tmp_path / "stored.json")
    assert read_json(sealed(tmp_path / "stored.json"), "evaluate", Stored) == Stored(bytes=20.5, lost=None)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path, number: float) -> None:
    with pytest.raises(UserError, match=r"stored\.json would hold a number that is not finite"):
        write_json({"lost": [0.5, number]}, tmp_path / "stored.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        "3",
        '{"bytes": 1}',
        '{"bytes": 1, "lost": null, "more": 1}',
        '{"bytes": "1", "lost": null}',
        '{"bytes": NaN, "lost": null}',
        '{"bytes": 1e999, "lost": null}',
        '{"bytes": null, "lost": null}',
        "[" * 100_000,
        "\xff",
        "",
    ],
)
def test_json_of_other_content_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "stored.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"stored\.json does not hold what it should; remove it and run the stage ev"):
        read_json(sealed(tmp_path / "stored.json"), "evaluate", Stored)
