"""YAML is read as DVC reads it; what is damaged, or stands for more than memory holds, is said in one sentence."""

from pathlib import Path

import pytest

from stages.run.errors import UserError, quoted
from stages.run.yaml import parse, read_text

PATH = Path("params.yaml")


def bomb(entry: str) -> str:
    """13 lines; each says the one before it nine times."""
    lines = [f"x{n}: &x{n} {entry.format(', '.join([f'*x{n - 1}'] * 9))}" for n in range(1, 13)]
    return "\n".join(["x0: &x0 {key: 1}", *lines])


def complaint(text: str) -> str:
    with pytest.raises(UserError) as raised:
        parse(text, PATH)
    return str(raised.value)


def test_numbers_are_those_of_yaml_1_2_and_words_are_words() -> None:
    assert parse("[1e-3, 1_000, 0o17, no, 12:30:00]", PATH) == [0.001, 1000, 15, "no", "12:30:00"]
    assert parse(f"[{2**63 - 1}, {-(2**63) + 1}]", PATH) == [2**63 - 1, -(2**63) + 1]


@pytest.mark.parametrize("entry", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merges"])
def test_aliases_that_stand_for_billions_of_values_are_refused(entry: str) -> None:
    assert complaint(bomb(entry)).startswith("params.yaml stands for more than 100,000 values, as an alias counts for")


@pytest.mark.parametrize(
    "text",
    ["[" * 2000 + "]" * 2000, "{a: " * 2000, "- " * 60 + "a", "a: &a [*a]"],
    ids=["lists", "open", "block", "ring"],
)
def test_what_is_nested_without_end_is_refused(text: str) -> None:
    assert complaint(text) == "params.yaml is nested more than 50 levels deep; write it flatter"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: 1\ntitle: 2026-02-31",
            "line 2, column 8: '2026-02-31' is no date; put it in quotes if it is meant as text",
        ),
        (f"seed: {'9' * 5000}", "line 1, column 7: '99999999"),
        (f"seed: 0x{'f' * 5000}", "line 1, column 7: '0xffffff"),
        (
            f"seed: {2**63}",
            "line 1, column 7: '9223372036854775808' is no number of 64 bits; put it in quotes if it is",
        ),
        ("run: [", "line 1, column 7: "),
        ("a: 1\na: 2", 'line 2, column 1: found duplicate key "a"'),
        ("? [{a: 1}]\n: 2", "a list or a mapping is a key; keys are words"),
        ("a: \x1b", "unacceptable character #x001b: special characters are not allowed position 3"),
    ],
)
def test_what_is_no_yaml_is_said_with_its_line(text: str, said: str) -> None:
    message = complaint(text)
    assert message.startswith(f"params.yaml is not valid YAML: {said}")
    assert len(message) < 300


def test_a_file_that_is_no_text_in_utf_8_is_said(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(UserError, match=r"params.yaml is not valid YAML: byte 4 is no UTF-8; save it as UTF-8"):
        read_text(tmp_path / "params.yaml")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no file; put the file there"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\x1b", r"'a\x1b'"),
        (1234, "1234"),
        (2**1000, "a number of 1,001 bits"),
        ({"key": [1, 2]}, "{'key': [1, 2]}"),
    ],
)
def test_a_value_is_quoted_as_python_writes_it(value: object, said: str) -> None:
    assert quoted(value) == said


@pytest.mark.parametrize("value", ["x" * 10**7, [["x" * 10**6] * 100] * 100, {"x" * 10**6: list(range(10**6))}])
def test_a_value_is_quoted_in_a_hundred_marks_however_large_it_is(value: object) -> None:
    assert len(quoted(value)) <= 101
