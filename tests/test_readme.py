"""What README.md tells a newcomer to type is there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.config.reader import read_params
from tests.benchmarks import performance

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]
BIN = Path(sys.executable).parent


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (?:PYTHON=\S+ )?(\w+)\b", " ".join(COMMANDS)))))
def test_every_make_target_is_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_both_entrances_are_what_ci_runs() -> None:
    assert {"make report", "make test"} < set(COMMANDS)
    assert {"make report", "make test"} < set((ROOT / ".ci/run").read_text().splitlines())


def test_every_stage_it_names_is_in_the_pipeline() -> None:
    named = set(re.findall(r"\b(?:report|train)@[\w-]+", TEXT))
    stages = set(output(str(BIN / "dvc"), "stage", "list", "--name-only").split())
    assert named - stages == {"report@mine"}  # the example of own data


def test_its_example_of_own_data_is_a_valid_entry(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    params, added = (YAML(typ="safe").load(text) for text in ((ROOT / "params.yaml").read_text(), example))
    params["run"] = added["run"]
    params["datasets"] |= added["datasets"]
    YAML().dump(params, tmp_path / "params.yaml")
    assert read_params(tmp_path / "params.yaml").dataset("mine").title == "Our plays of 2026"


def test_its_table_of_performance_is_what_was_measured() -> None:
    assert performance.table() in TEXT


def test_every_parameter_it_sets_is_in_params_yaml() -> None:
    names = re.findall(r"-S ([\w.-]+)=", TEXT)
    assert names
    for name in names:
        value = YAML(typ="safe").load(ROOT / "params.yaml")
        for key in name.split("."):
            value = value[key]
        assert isinstance(value, float)


@pytest.mark.parametrize("command", sorted({command for command in COMMANDS if command.startswith("dvc ")}))
def test_every_dvc_command_and_option_exists(command: str) -> None:
    words = shlex.split(command)
    options = {word for word in words if word.startswith("-")}
    verbs = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word)]
    assert {option for option in options if option not in output(str(BIN / "dvc"), *verbs, "--help")} == set()


def test_dry_run_lists_every_stage_of_movielens_20m() -> None:
    (command,) = (command for command in COMMANDS if "--dry" in command)
    listed = re.findall(r"Running stage '(.*)'", output(str(BIN / "dvc"), *shlex.split(command)[1:]))
    stages = output(str(BIN / "dvc"), "stage", "list", "--name-only").split()
    assert sorted(listed) == sorted(name for name in stages if "@ml-20m" in name)


def test_its_links_and_pictures_are_there() -> None:
    local = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_its_stage_command_runs() -> None:
    (module,) = re.findall(r"`python -m (stages\.\w+) --dataset", TEXT)
    help_text = output(sys.executable, "-m", module, "--help")
    assert "--dataset" in help_text
    assert "--model" in help_text
