"""Run facts: a stage replaces its own and leaves the others, in a file that people can read."""

import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from stages.run import facts, paths


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_a_stage(stage: str, **extra: object) -> None:
    with facts.recorded("tiny", stage) as record:
        record |= extra


def test_a_stage_replaces_its_own_facts_and_leaves_the_others_in_their_places() -> None:
    run_a_stage("download")
    run_a_stage("fit-ease", device="cpu")
    run_a_stage("download", device="cuda")
    read = facts.read(paths.run_facts("tiny"))
    assert list(read) == ["download", "fit-ease"]
    assert (read["download"]["device"], read["fit-ease"]["device"]) == ("cuda", "cpu")


def test_the_file_tells_time_memory_machine_and_versions_of_each_stage() -> None:
    run_a_stage("train-dae-8", threads=2, device="cpu", precision="float32", trainings={
        "dae-8": [{"seed": 0, "seconds": 60.0, "users_per_second": 9876},
                  {"seed": 1, "seconds": 62.4, "users_per_second": 9878, "resumed_after_epoch": 5}],
    })  # fmt: skip
    run_a_stage("quantize-dae-8", fit_seconds={"rq": [1.0, 2.0]})
    run_a_stage("evaluate-quantized-dae-8", microseconds={"dae-8-rq-3b": {"encode": 12.3456, "decode": 0.5}})
    text = paths.run_facts("tiny").read_text()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    assert ["`dae-8`", "61.2 s, one resumed", "9,877", "float32"] in cells
    assert ["`dae-8-rq-3b`", "1.50 s", "12.35 µs", "0.50 µs"] in cells
    stages = {line[0]: line for line in cells if len(line) == 8}
    assert list(stages) == ["`train-dae-8`", "`quantize-dae-8`", "`evaluate-quantized-dae-8`"]
    assert stages["`train-dae-8`"][5:7] == ["cpu", "2"]
    assert "torch" in text
    assert "cores; Python 3." in text


def test_a_stage_that_fails_leaves_the_facts_of_its_last_run() -> None:
    run_a_stage("download", device="first")
    with pytest.raises(RuntimeError), facts.recorded("tiny", "download"):
        raise RuntimeError
    assert facts.read(paths.run_facts("tiny"))["download"]["device"] == "first"


def test_stages_that_end_at_once_lose_no_line_of_each_other() -> None:
    code = """
import sys
from stages.run import facts
for number in range(5):
    with facts.recorded("tiny", f"{sys.argv[1]}-{number}"):
        pass
"""
    names = [f"stage-{letter}" for letter in "abcdef"]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen([sys.executable, "-c", code, name], env={"PYTHONPATH": str(root)}) for name in names]
    assert [process.wait() for process in processes] == [0] * 6
    assert sorted(facts.read(paths.run_facts("tiny"))) == [f"{name}-{number}" for name in names for number in range(5)]


@pytest.mark.parametrize(
    "content",
    [
        b"<<<<<<< a merge\n```json\n{\n```",
        b"",
        b"```json\n[]\n```",
        b"```json\n{}\n```",
        b'```json\n{"train-dae-8": {}}\n```',
        b'```json\n{"train-dae-8": {"started": 1, "seconds": "long"}}\n```',
        b"```json\n\xff\xfe\n```",
    ],
)
def test_a_file_without_facts_is_written_anew_and_that_is_said(
    content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = paths.run_facts("tiny")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    run_a_stage("download")
    assert "reports/tiny/run.md holds no run facts and is written anew" in capsys.readouterr().err
    assert list(facts.read(path)) == ["download"]


def test_a_variant_of_any_name_is_told_and_read_again() -> None:
    names = ["study: `a` | b", "study: ```\n```json\n{", "study: <b>\u202e"]
    trainings = {name: [{"seconds": 1.0, "users_per_second": 2}] for name in names}
    run_a_stage("study", precision="float32", trainings=trainings)
    run_a_stage("report")
    path = paths.run_facts("tiny")
    assert facts.read(path)["study"]["trainings"] == trainings
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text())
    cells = [
        token.children for token in tokens if token.type == "inline" and token.content.startswith(("study:", "`study:"))
    ]
    assert [cell[0].content for cell in cells if cell] == ["study: `a` | b", "study: ``` ```json {", "study: <b>�"]
