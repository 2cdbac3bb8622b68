"""What README.md, CONTRIBUTING.md and reports/performance.md tell a newcomer to type and to open is there."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dvc.cli import parse_args
from ruamel.yaml import YAML

from stages.config.dataset import Format
from stages.config.reader import read_params
from stages.config.strict import Strict
from stages.serving.package.files import load_package
from stages.serving.scoring.dense import Dense
from stages.serving.store.store import open_store
from tests import decision_table
from tests.benchmarks import performance
from tests.marks import between
from tests.serving.package.made_up import TRAINED, write
from tests.serving.served import Served, leave_served

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING, PERFORMANCE = "README.md", "CONTRIBUTING.md", "reports/performance.md"
PAGES = {page: (ROOT / page).read_text() for page in (README, CONTRIBUTING, PERFORMANCE)}
TEXT = "\n".join(PAGES.values())
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]
MODULES = sorted(set(re.findall(r"python -m (stages[\w.]+)", TEXT)))
SCRIPTS = sorted(set(re.findall(r"(?:python|bash) ([\w.]+/[\w./]+)", TEXT)))
BIN = Path(sys.executable).parent


@cache
def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def example(language: str, part: str = "") -> str:
    """The one example in which this text stands."""
    (found,) = (text for text in re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL) if part in text)
    return found


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (?:PYTHON=\S+ )?(\w+)\b", " ".join(COMMANDS)))))
def test_every_make_target_is_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_both_entrances_are_what_ci_runs() -> None:
    assert {"make report", "make test"} < set(COMMANDS)
    assert {"make report", "make test"} < set((ROOT / ".ci/run").read_text().splitlines())


def test_every_stage_that_is_named_is_in_the_pipeline() -> None:
    named = set(re.findall(r"\b(?:download|report|train)@[\w-]+", TEXT))
    stages = set(output(str(BIN / "dvc"), "stage", "list", "--name-only").split())
    # The example of own data, and a data set that README says how to bring and to put under `run`.
    assert named - stages == {"download@mine", "report@mine", "report@gowalla"}


def test_the_table_of_stages_is_the_pipeline() -> None:
    (rows,) = re.findall(r"\| stage \|.*?\n\n", PAGES[CONTRIBUTING], flags=re.DOTALL)
    assert set(re.findall(r"^\| `([\w-]+)`", rows, flags=re.MULTILINE)) == set(
        YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    )


def test_the_layout_names_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "stages").glob("*/__init__.py")}
    assert set(re.findall(r"^stages/(\w+)/ ", PAGES[CONTRIBUTING], flags=re.MULTILINE)) == packages


def test_the_table_of_formats_has_all_kinds_and_their_defaults() -> None:
    (rows,) = re.findall(r"\| `kind` \|.*?\n\n", TEXT, flags=re.DOTALL)
    told = {row.split("`")[1]: row.rpartition("|")[0].rpartition("|")[2] for row in rows.strip().splitlines()[2:]}
    formats = {get_args(entry.model_fields["kind"].annotation)[0]: entry for entry in get_args(get_args(Format)[0])}
    assert told.keys() == formats.keys()
    for kind, text in told.items():
        settings = set(re.findall(r"`(\w+)(?::[^`]*)?`", text)) - {"string", "false", "rating", "timestamp"}
        packing = {"kind", "missing", "missing_words"} | ({"member"} if "member" not in settings else set())
        assert settings == formats[kind].model_fields.keys() - packing
    csv = formats["csv"].model_validate({"kind": "csv", "ids": "string", "columns": {"user": 1, "item": 2}})
    assert f"separator: '{csv.separator}'" in told["csv"]
    assert f"quotes: {str(csv.quoted).lower()}" in told["csv"]
    assert f"missing_words: {csv.missing_words}".replace(r"\\", "\\") in TEXT
    names = formats["recbole"].model_fields["columns"].default
    assert f"columns: {{user: {names.user}, item: {names.item}}}" in told["recbole"]


def test_the_example_of_own_data_is_a_valid_entry(tmp_path: Path) -> None:
    texts = (ROOT / "params.yaml").read_text(), example("yaml", "datasets:")
    params, added = (YAML(typ="safe").load(text) for text in texts)
    params["run"] = added["run"]
    params["datasets"] |= added["datasets"]
    YAML().dump(params, tmp_path / "params.yaml")
    assert read_params(tmp_path / "params.yaml").dataset("mine").title == "Our plays of 2026"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """What a run leaves, in the current directory; users 42 and 77 are in the store."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    return leave_served(np.array([42, 77, 1, 2, 3, 4, 5, 6, 7]), np.arange(1, 301))


def test_the_example_of_recommendations_runs_on_what_a_run_leaves(served: Served) -> None:
    found: dict[str, Any] = {}
    exec(compile(example("python", "open_store"), README, "exec"), found)  # noqa: S102
    assert found["codes"].tolist() == served.codes[:2].tolist()
    assert found["coded"].all()
    seen = [np.array([0, 49, 259]), np.zeros(0, int)]  # the ids of the items are 1, 2, 3, …
    assert found["items"].tolist() == Dense(served.package).top(served.codes[:2], 10, seen).items.tolist()
    assert found["ids"].tolist() == (found["items"] + 1).tolist()


def test_the_commands_that_serve_users_run_on_what_a_run_leaves(served: Served) -> None:
    new = pa.table({"user": [1000, 77], "items": [[1, 50, 260], [2, 301]]})
    pq.write_table(new, "today.parquet")
    for command in COMMANDS:
        if "recommend" in command or "serving/" in command or "today" in command.split():
            run_as_shown(command)
    assert pq.read_table("top100.parquet")["user"].to_pylist() == sorted(served.users.tolist())
    assert pq.read_table("lists")["user"].to_pylist() == new["user"].to_pylist()
    with open_store(Path("serving/2026-48/store"), load_package(Path("serving/2026-48/package")).digest) as store:
        known = [user for users, _, _ in store.batches(100) for user in users.to_pylist()]
        assert known == sorted({1000, *served.users.tolist()} - {42})


def run_as_shown(command: str) -> None:
    """A line of README, in the current directory; Python in this process, as PyTorch takes its time to be imported."""
    words = shlex.split(command)
    if words[:2] != ["python", "-m"]:
        subprocess.run(words, check=True)
        return
    with patch.object(sys, "argv", words[2:]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(words[2], run_name="__main__")
    assert not ended.value.code, command


@pytest.mark.parametrize("name", TRAINED)
def test_the_reader_without_our_code_ranks_as_we_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/ml-latest-small/packages").mkdir(parents=True)
    package = load_package(write(Path("data/ml-latest-small/packages/dae-200-opq-20x10"), name))
    reader = example("python", "manifest.json")
    assert set(re.findall(r"^(?:import|from) (\w+)", reader, flags=re.MULTILINE)) == {
        "hashlib", "json", "pathlib", "numpy",
    }  # fmt: skip
    found: dict[str, Any] = {}
    exec(compile(reader, README, "exec"), found)  # noqa: S102
    items, codes = package.items, np.arange(package.quantizer.n_bytes, dtype=np.uint8)[None]
    scores = items.weight @ package.quantizer.decode(codes)[0] + items.bias
    assert found["ranking"] == items.ids[np.argsort(-scores)].tolist()
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)


def test_the_example_of_own_vectors_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    for name, n in (("users", 600), ("items", 200)):
        np.save(f"{name}.npy", draws.normal(size=(n, 64)))
    for name, items in (("held_out", np.arange(100)), ("known", np.arange(100, 200))):
        pq.write_table(pa.table({"user": np.arange(100), "item": items}), f"{name}.parquet")
    commands = [line for line in COMMANDS if "compress users" in line or "users-20b" in line]
    assert len(commands) == 3
    for command in commands:
        run_as_shown(command)
    package = load_package(Path("users-20b/package"))
    with open_store(Path("users-20b/store"), package.digest) as store:
        codes, coded = store.codes([42, 7])
    assert coded.all()
    found: dict[str, Any] = {}
    exec(compile(example("python", "load_file"), README, "exec"), found)  # noqa: S102
    np.testing.assert_allclose(found["vectors"], package.quantizer.decode(codes), rtol=1e-5, atol=1e-5)


def test_the_example_of_vectors_in_the_report_is_valid(tmp_path: Path) -> None:
    texts = (ROOT / "params.yaml").read_text(), example("yaml", "kind: vectors")
    params, added = (YAML(typ="safe").load(text) for text in texts)
    for block, entries in added.items():
        params[block] |= entries
    params["run"] = ["ml-latest-small"]
    params["datasets"]["ml-latest-small"]["models"]["my-two-tower"] = {}
    YAML().dump(params, tmp_path / "params.yaml")
    rows = [row.name for row in read_params(tmp_path / "params.yaml").rows() if row.model == "my-two-tower"]
    assert rows[:2] == ["my-two-tower", "my-two-tower-opq-20x10"]


def test_readme_shows_how_the_committed_reports_open() -> None:
    shown = PAGES[README]
    assert decision_table.updated(shown) == shown, (
        "a report opens in another way than README shows; run: python -m tests.decision_table"
    )


def test_readme_shows_what_advise_answers() -> None:
    shown = PAGES[README]
    assert decision_table.answered(shown) == shown, (
        "advise answers otherwise than README shows; run: python -m tests.decision_table"
    )


@pytest.mark.parametrize("page", ["no mark", "<!-- a -->\n, and no end", "the end alone <!-- end -->"])
def test_a_page_without_its_marks_is_left_alone(page: str) -> None:
    with pytest.raises(SystemExit, match="lacks its mark"):
        between(page, "<!-- a -->\n", "<!-- end -->", "text\n")


def test_readme_has_all_markers_once_and_in_order() -> None:
    tables = [mark for name in decision_table.SHOWN for mark in (decision_table.beginning(name), decision_table.END)]
    answer = [decision_table.BEGIN_ANSWER, decision_table.END_ANSWER]
    measured = [performance.BEGIN.strip(), performance.END.strip()]
    marks = [mark.strip() for mark in [*tables, *answer]] + measured
    assert re.findall(r"<!--.*-->", PAGES[README]) == marks


@pytest.mark.parametrize(
    "report",
    [
        "# Title\n\n> Beware.\n\n| row |\n|:----|\n| `a` |\n\n![](b.png)\n\n| more |\n",
        "# Title\n\n| row |\n|:----|\n| `a` |\n\nWords.\n\n- a list of something else\n",
    ],
)
def test_the_decision_table_is_the_first_of_the_report(report: str) -> None:
    assert decision_table.opening(report) == "| row |\n|:----|\n| `a` |\n"


def test_the_decision_table_has_the_list_below_it() -> None:
    report = "# Title\n\n| row |\n|:----|\n| `a` |\n\n- **One.** It is so.\n- **Two.**\n\n## More\n"
    assert decision_table.opening(report) == "| row |\n|:----|\n| `a` |\n\n- **One.** It is so.\n- **Two.**\n"


@pytest.mark.parametrize("dataset", decision_table.SHOWN)
def test_readme_counts_the_users_as_the_report_does(dataset: str) -> None:
    report = decision_table.report_of(dataset).parent
    counts = pd.read_csv(report / "figures/protocol.csv", index_col="name")["value"]
    test_users = pd.read_csv(report / "plots/frontier.csv")["users"].max()
    told = PAGES[README].replace("\n> ", " ")
    assert f"{int(counts['train_users']):,} train users, {test_users:,} test users" in told


@pytest.mark.parametrize(("page", "tables"), performance.PAGES.items())
def test_the_tables_of_performance_are_what_was_measured(page: str, tables: Callable[[], str]) -> None:
    assert tables() in PAGES[page]


def test_every_parameter_that_is_set_is_in_params_yaml() -> None:
    names = re.findall(r"-S ([\w.-]+)=", TEXT)
    assert names
    for name in names:
        value = YAML(typ="safe").load(ROOT / "params.yaml")
        for key in name.split("."):
            value = value[key]
        assert isinstance(value, float)


def test_every_block_of_parameters_that_is_named_is_in_params_yaml() -> None:
    optional = {name for settings in Strict.descendants() for name in settings.model_fields}
    keys = keys_of(YAML(typ="safe").load(ROOT / "params.yaml")) | optional
    assert set(re.findall(r"`(\w+):", TEXT)) - keys == {"user_id"}  # in a header of RecBole's


def keys_of(value: object) -> set[str]:
    """All keys of nested mappings."""
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys_of(below) for below in value.values()))


@pytest.mark.parametrize("command", sorted({command for command in COMMANDS if command.startswith("dvc ")}))
def test_every_dvc_command_and_option_exists(command: str) -> None:
    parse_args(shlex.split(command)[1:])


def test_dry_run_lists_every_stage_of_movielens_20m() -> None:
    (command,) = (command for command in COMMANDS if "--dry" in command)
    listed = re.findall(r"Running stage '(.*)'", output(str(BIN / "dvc"), *shlex.split(command)[1:]))
    stages = output(str(BIN / "dvc"), "stage", "list", "--name-only").split()
    assert sorted(listed) == sorted(name for name in stages if "@ml-20m" in name)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_are_there(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", PAGES[page])
    local = {link or picture for link, picture in links if "://" not in link}
    missing = []
    for link in sorted(local):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(str(target.relative_to(ROOT)))):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_there(script: str) -> None:
    assert (ROOT / script).is_file()


@pytest.mark.parametrize("module", MODULES)
def test_every_command_has_the_options_that_are_named(module: str) -> None:
    named = {
        option
        for arguments in re.findall(rf"python -m {re.escape(module)}\b([^`\n#]*)", TEXT)
        for option in re.findall(r"--[\w-]+", arguments)
    }
    function = getattr(import_module(module), module.rpartition(".")[2])
    options = {f"--{parameter.replace('_', '-')}" for parameter in signature(function).parameters}
    assert named - options == set()
