"""A sweep's patch: git takes it, the entry has the new values, and nothing else has changed."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.commands.params_patch import patch
from stages.run.errors import UserError

PARAMS = Path("params.yaml")
BEST = {"learning_rate": 1e-05, "l2": 0.1, "epochs": 7}
REST = "      other: { l2: 0.3 } # stays\nmodels:\n  dae: {}\n"
LAYOUTS = {
    "on a line": "datasets:\n  first:\n    models: { dae: { l2: 9 } }\n  mine:\n    models:\n"
    "      dae: { start: 0.5, l2: 0.2 } # why\n" + REST,
    "empty": "datasets:\n  mine:\n    models:\n      dae: {}\n" + REST,
    "in a block": "datasets:\n  mine:\n    models:\n      dae:\n        # above\n        start: 0.5 # beside\n"
    "        l2: 0.2   # beside too\n" + REST,
    "in a block, indented by eight": "datasets:\n        mine:\n                models:\n                        dae:\n"
    "                                l2: 0.2\n\n\nz: 1\n",
    "on several lines": "datasets:\n  mine:\n    models:\n      dae: { # why\n        l2: 0.2,\n        start: 0.5,\n"
    "      }\n" + REST,
    "all on one line": "{datasets: {mine: {models: {dae: {l2: 0.2}, other: {}}}}, z: 1}\n",
    "as JSON": '{"datasets":{"mine":{"models":{"dae":{"l2":0.2},"other":{}}}},"z":1}\n',
    "quoted": "datasets:\n  'mine':\n    \"models\":\n      'dae': {'l2': 0.2}\n" + REST,
    "below a question mark": "datasets:\n  mine:\n    models:\n      ? dae\n      : { l2: 0.2 }\n" + REST,
    "last, without a line end": "z: 1\ndatasets:\n  mine:\n    models:\n      dae:\n        l2: 0.2",
    "last, empty, without a line end": "z: 1\ndatasets:\n  mine:\n    models:\n      dae: {}",
    "with line ends of Windows": "datasets:\r\n  mine:\r\n    models:\r\n      dae:\r\n        l2: 0.2\r\n"
    "      other: {}\r\n",
    "after marks beyond ASCII": "# é – 💥\ndatasets:\n  mine:\n    models:\n      dae: { l2: 0.2 } # 💥\n" + REST,
    "after a byte order mark": "\ufeffdatasets:\n  mine:\n    models:\n      dae: { l2: 0.2 }\n" + REST,
    "between marks of a document": "%YAML 1.2\n---\ndatasets:\n  mine:\n    models:\n      dae: { l2: 0.2 }\n...\n",
    "an alias": "datasets:\n  mine:\n    models:\n      other: &same { l2: 0.3 }\n      dae: *same # why\n",
    "a number's alias": "rate: &rate 0.3\ndatasets:\n  mine:\n    models:\n      dae: { learning_rate: *rate }\n"
    + REST,
    "an anchor that nothing names": "datasets:\n  mine:\n    models:\n      dae: &mine { l2: &l2 0.2 }\n" + REST,
    "merged": "base: &base { l2: 0.3, start: 0.5 }\ndatasets:\n  mine:\n    models:\n      dae: { <<: *base }\n" + REST,
    "merged with others": "base: &base { dae: { l2: 0.3 } }\ndatasets:\n  mine:\n    models:\n      <<: *base\n" + REST,
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_whatever_the_layout_git_applies_it_and_only_the_entry_changes(text: str, tmp_path: Path) -> None:
    (tmp_path / PARAMS).write_bytes(text.encode())
    (tmp_path / "a.patch").write_bytes(patch(text, PARAMS, "mine", "dae", BEST).encode())
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "a.patch"], cwd=tmp_path, check=True)
    expected = content(text)
    models = expected["datasets"]["mine"]["models"]
    expected["datasets"]["mine"]["models"] = {**models, "dae": {**models["dae"], **BEST}}
    new = (tmp_path / PARAMS).read_bytes().decode()
    assert content(new) == expected
    assert [mark for mark in comments(text) if mark not in new] == []


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_lines_that_need_no_change_are_not_in_it(text: str) -> None:
    removed = [line for line in patch(text, PARAMS, "mine", "dae", BEST).split("\n")[3:] if line.startswith("-")]
    assert len(removed) <= (2 if "# why\n" in text else 1)


def test_an_entry_with_the_values_needs_none() -> None:
    text = "datasets:\n  mine:\n    models:\n      dae: { epochs: 7, l2: 0.10, learning_rate: 1.0e-5 }\n"
    assert patch(text, PARAMS, "mine", "dae", BEST) == ""


@pytest.mark.parametrize(
    "text",
    [
        "datasets:\n  mine:\n    models:\n      dae: &shared { l2: 0.2 }\n      other: *shared\n",
        "datasets:\n  mine:\n    models:\n      dae: { l2: &shared 0.2 }\n      other: { l2: *shared }\n",
        "datasets:\n  first:\n    models: &all { dae: { l2: 0.2 } }\n  mine:\n    models: *all\n",
        "datasets:\n  first: &first\n    models: { dae: { l2: 0.2 } }\n  mine: *first\n",
    ],
)
def test_a_text_that_other_entries_share_is_left_as_it_is(text: str) -> None:
    with pytest.raises(UserError, match=r"datasets.mine.models.dae in params.yaml shares its text .* by hand"):
        patch(text, PARAMS, "mine", "dae", BEST)


@pytest.mark.parametrize("text", ["datasets: {}\n", "datasets:\n  mine:\n    models: {}\n", "- a list\n"])
def test_an_entry_that_was_taken_out_meanwhile_is_said(text: str) -> None:
    with pytest.raises(UserError, match=r"params.yaml has no datasets.mine.models.dae by now"):
        patch(text, PARAMS, "mine", "dae", BEST)


def content(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]
