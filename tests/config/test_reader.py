"""params.yaml is checked as a whole: all faults at once, each by its path, and nothing but a UserError."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.config.params import Params
from stages.config.reader import check, read_params
from stages.run.errors import UserError


def test_the_commented_grid_is_right_too(committed: str, read: Callable[[str], Params], params: Params) -> None:
    lines = committed.splitlines()
    start = next(number for number, line in enumerate(lines) if "A fuller grid" in line)
    fuller = read(
        "\n".join(
            line.replace("  # ", "  ", 1) if number > start and line.startswith("  # ") else line
            for number, line in enumerate(lines)
        )
    )
    assert len(fuller.rows()) > len(params.rows()) + 20


def test_every_line_of_the_committed_file_with_a_new_key_is_explained(committed: str, params: Params) -> None:
    explained: set[str] = set()
    unexplained: set[str] = set()
    for line in committed.splitlines():
        key, colon, rest = line.partition(":")
        name = key.strip()
        if colon and rest.strip() and not name.startswith(("#", "-")) and "{" not in rest:  # a variant's name says it
            (explained if "#" in rest else unexplained).add(name)
    assert unexplained - explained - params.models.keys() == set()  # a model's name says it


def test_all_wrong_entries_are_said_at_once(committed: str, complaint: Callable[[str], str]) -> None:
    text = (
        committed.replace("dropout: 0.5", "drop_out: 0.5")
        .replace("digits: 5", "digits: 50")
        .replace("- ml-20m", "- ml")
    )
    lines = complaint(text).splitlines()
    wrong = 2 * committed.count("dropout: 0.5") + 2  # each model has a key too many, and one too few
    assert lines[0].endswith(f"params.yaml has {wrong} wrong entries; nothing was run:")
    assert len(lines) == 1 + wrong


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_a_file_without_keys_is_said(complaint: Callable[[str], str], text: str) -> None:
    assert "holds no keys" in complaint(text)


@pytest.mark.parametrize("text", ["run: [", "run: []\nrun: []", "a: \tb:\n\t- c", "run: 2020-13-45", "run: [!no tag]"])
def test_a_file_that_is_no_yaml_is_said(complaint: Callable[[str], str], text: str) -> None:
    assert "is not valid YAML" in complaint(text)


def test_more_wrong_entries_than_anybody_reads_are_counted(committed: str, complaint: Callable[[str], str]) -> None:
    lines = complaint(committed.replace("seeds: [0, 1, 2]", f"seeds: [{'x, ' * 5000}]", 1)).splitlines()
    assert lines[0].endswith("params.yaml has 5,000 wrong entries; nothing was run:")
    assert lines[-1] == "  and 4,900 more"


@pytest.mark.parametrize("name", ["2024-01-01", "2024", "1e5", "true", "null"])
def test_the_name_of_a_data_set_may_look_like_something_else_in_quotes(
    committed: str, read: Callable[[str], Params], complaint: Callable[[str], str], name: str
) -> None:
    assert name in read(committed.replace("  ml-10m:\n", f"  '{name}':\n")).datasets
    lines = complaint(committed.replace("  ml-10m:\n", f"  {name}:\n")).splitlines()
    assert [line.startswith("  datasets: YAML reads the name ") for line in lines[1:]] == [True]
    assert lines[1].endswith("; put it in quotes")


def test_a_file_that_has_changed_is_read_anew(committed: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for epochs in (3, 4):
        path.write_text(re.sub(r"checkpoint_epochs: \d+", f"checkpoint_epochs: {epochs}", committed))
        assert read_params(path).training.checkpoint_epochs == epochs


def test_a_missing_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run stages from the top of the repository"):
        read_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "block",
    ["datasets", "references", "models", "float_twins", "quantized_models", "quantized_items", "quantizers", "refits",
     "budgets", "studies"],
)  # fmt: skip
def test_an_emptied_block_says_how_to_write_none(content: dict[str, Any], block: str) -> None:
    with pytest.raises(UserError) as raised:
        check(content | {block: None})
    assert str(raised.value).splitlines()[1:] == [f"  {block}: is empty; write {{}} for none"]


def test_an_emptied_list_says_how_to_write_none(content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"run: is empty; write \[\] for none"):
        check(content | {"run": None})


@pytest.mark.parametrize("block", ["seeds", "training", "evaluation", "sweep", "report"])
def test_an_emptied_block_that_may_not_be_empty_is_said(content: dict[str, Any], block: str) -> None:
    with pytest.raises(UserError, match=f"{block}: is empty; fill it in"):
        check(content | {block: None})


def test_a_misspelt_block_is_said_with_what_it_may_be_meant_for(content: dict[str, Any]) -> None:
    with pytest.raises(UserError) as raised:
        check({("modles" if key == "models" else key): value for key, value in content.items()})
    assert str(raised.value).splitlines()[1:] == [
        "  modles: unknown key; did you mean 'models'?",
        "  models: is missing",
    ]


def test_a_file_with_nothing_to_run_is_right(content: dict[str, Any]) -> None:
    blocks = (
        "datasets",
        "models",
        "float_twins",
        "quantized_models",
        "quantized_items",
        "quantizers",
        "refits",
        "budgets",
    )
    nothing = {"run": [], "studies": {}, "serving": content["serving"] | {"rows": []}}
    params = check(content | nothing | {block: {} for block in blocks})
    assert params.item_rows() == []
    assert params.serving_rows() == []


@pytest.mark.parametrize("value", [None, [], {}, [[1]], {"x": None}, {7: 1}, "x", 7, 1.5, True], ids=str)
def test_a_wrong_type_anywhere_is_a_user_error_or_right(content: dict[str, Any], value: object) -> None:
    for path in paths_of(content):
        try:
            params = check(replaced(content, path, value))
        except UserError:
            continue
        use(params)


def paths_of(content: Any) -> Iterator[list[Any]]:
    """The keys to every block, entry and value."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield [key]
        yield from ([key, *path] for path in paths_of(value))


def replaced(content: Any, path: list[Any], value: object) -> Any:
    """A copy in which the path leads to the value."""
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = replaced(content[path[0]], path[1:], value)
    return copy


def use(params: Params) -> None:
    """Make every look-up that a right file has an answer for."""
    for row in params.rows():
        assert params.family_of(row)
        assert params.stored_by(row)
        assert params.float_twin_of(row) in [None, *params.rows()]
        params.post_hoc_twin_of(row)
    for item_row in params.item_rows():
        assert params.stored_by_items(item_row)
        assert item_row.users in params.rows()
    for study in params.studies:
        params.study_variants(study, next(iter(params.datasets)))


@pytest.fixture(scope="module")
def content(committed: str) -> dict[str, Any]:
    parsed: dict[str, Any] = YAML(typ="safe", pure=True).load(committed)
    return parsed
