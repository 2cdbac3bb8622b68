"""A report made from its tables."""

import json
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from stages.config.reader import read_params
from stages.reporting.drawing import (
    draw_report,
    new_report,
    read_studies,
    read_tables,
    table_columns,
    words_of,
    write_tables,
)
from stages.reporting.experiment import Experiment, describe
from stages.reporting.sections import FOLDED
from stages.run.errors import UserError
from stages.run.text import one_line
from tests.damage import sealed
from tests.reporting.made_up import EXPERIMENT, FLOAT, METRICS, QUANTIZED, full_results, results, tables_of

PICTURES = {
    f"{name}{ending}.png"
    for name in ("frontier", "spectrum", "codebook_size", "curves", "code_usage", "long_tail")
    for ending in ("", "-dark")
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "tiny"
    folder.mkdir()
    write_tables(full_results(), folder)
    draw_report(read_tables(folder), EXPERIMENT, folder)
    return folder


def test_a_report_has_its_words_its_page_its_tables_and_its_pictures(report: Path) -> None:
    files = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    assert files == {
        "report.md",
        "frontier.html",
        *(f"{name}.csv" for name in table_columns()),
        "plots/digests.json",
        "figures/digests.json",
        *(f"figures/{name}" for name in PICTURES),
    }


def test_plots_are_the_tables_that_dvc_draws(report: Path) -> None:
    assert {path.stem for path in (report / "plots").glob("*.csv")} == {
        "frontier", "curves", "code_usage", "codebook_size", "by_activity", "by_popularity",
    }  # fmt: skip


def test_every_link_and_every_picture_is_there(report: Path) -> None:
    text = (report / "report.md").read_text()
    links = set(re.findall(r"\]\((.*?)\)", text)) - {"run.md", "metrics.json"}
    links |= set(re.findall(r'(?:src|srcset)="(.*?)"', text))
    assert {link for link in links if not (report / link).exists()} == set()
    assert {Path(link).name for link in links} == PICTURES | {
        "frontier.html",
        *(f"{Path(name).name}.csv" for name in table_columns()),
    }


HOSTILE = [
    "</details><script>alert(1)</script>",
    "![](https://example.org/spy.png) [here](https://example.org) <https://example.org>",
    "a | b | c",
    "two\nlines\r\n\r\n# A heading\n- a list\n```\na fence",
    "\u2028## U+2028\x85---\x0b\x0c",
    "**bold** _so_ `code` ~~not~~ <!-- a comment",
    "\x1b[31mred\x1b[0m \x00 \u202eesrever\u202c",
    "&lt;b&gt; \\| \\",
    "[a]: https://example.org 'x'",
    "$x$ and $y$ {{ title }} {% if %}",
]


def described_by(words: str) -> Experiment:
    """An experiment with these as title, as caution, as cut of the split and as name of a study's variant."""
    params = read_params()
    large = params.dataset("ml-20m")
    split = large.split.model_copy(update={"cut": words, "held_out_share": None})
    tiny = large.model_copy(update={"title": words, "caution": words, "published": None, "split": split})
    study = params.studies["ablation"].model_copy(update={"variants": {words: {"l2": 0.5}}})
    return describe(params.model_copy(update={"datasets": {"tiny": tiny}, "studies": {"ablation": study}}), "tiny")


def opened(tokens: list[Token]) -> list[str]:
    """What a report is made of, in its order, without its texts."""
    flat = [child for token in tokens for child in (token, *(token.children or []))]
    return [f"{token.type} {token.attrs} {token.content if 'html' in token.type else ''}" for token in flat]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_words_of_users_or_of_their_data_act_in_a_report(hostile: str, tmp_path: Path) -> None:
    made = {}
    for words in ("harmless", hostile):
        items = pd.DataFrame({"item": [words, "b"], "interactions": [5, 2], "title": [words, ""]})
        tables = tables_of(results(FLOAT, QUANTIZED, items=items), tmp_path)
        made[words] = (
            MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(words_of(tables, described_by(words)))
        )
    assert opened(made[hostile]) == opened(made["harmless"])
    texts = [child.content for token in made[hostile] for child in token.children or [] if child.type == "text"]
    assert texts.count(one_line(hostile)) == 3  # the caution, and the item with its title
    assert f"Bytes per user against accuracy: {one_line(hostile)}" in texts
    assert any(f", with a cut at {one_line(hostile)} for all: " in text for text in texts)


def test_only_what_decides_is_in_view(report: Path) -> None:
    in_view, _, hidden = (report / "report.md").read_text().partition("\n## More\n")
    assert re.findall(r"^## (.*)$", in_view, re.MULTILINE) == ["In brief", "During training or after it", "Table 1"]
    assert "<details>" not in in_view
    assert len(re.findall(r"^<details><summary><b>.*</b></summary>\n$", hidden, re.MULTILINE)) == len(FOLDED) - 2
    assert "\n## " not in hidden


def test_no_time_is_in_any_file(report: Path) -> None:
    for path in [report / "report.md", *report.rglob("*.csv")]:
        assert not re.search(r"fit_seconds|encode_us|µs\b|peak|revision|\d s\b", path.read_text()), path
    assert not re.search(r"fit_seconds|encode_us|µs", (report / "frontier.html").read_text())


def test_drawing_again_changes_no_byte(report: Path, tmp_path: Path) -> None:
    tables = read_tables(report)
    (tmp_path / "figures").mkdir()
    draw_report(tables, EXPERIMENT, tmp_path)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert path.read_bytes() == (report / path.relative_to(tmp_path)).read_bytes(), path


def test_a_new_metric_is_in_the_table_the_report_and_the_page(tmp_path: Path) -> None:
    rows = [
        replace(row, metrics={**METRICS, "luck@7": "Luck@7"}, per_user=row.per_user.assign(**{"luck@7": 0.123}))
        for row in (FLOAT, QUANTIZED)
    ]
    write_tables(results(*rows), tmp_path)
    draw_report(read_tables(tmp_path), EXPERIMENT, tmp_path)
    assert "luck@7" in (tmp_path / "plots/frontier.csv").read_text().splitlines()[0]
    assert re.search(r"\| +Luck@7 \|", (tmp_path / "report.md").read_text())
    page = (tmp_path / "frontier.html").read_text()
    assert '{"key": "luck@7", "name": "Luck@7", "format": "score"}' in page
    assert '"luck@7": 0.123' in page


def test_a_missing_table_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no report at .*; run: dvc repro report@"):
        read_tables(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("figures/metrics", "recall@20,", "recall@21,"),
        ("figures/protocol", "users,10", "users,many"),
        ("figures/protocol", "users,10", "user,10"),
        ("figures/distribution", "of,rank", "of,place"),
        ("plots/frontier", "ndcg@100", "ndcg"),
    ],
)
def test_a_table_of_other_content_is_said(report: Path, tmp_path: Path, name: str, old: str, new: str) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(report, folder)
    path = folder / f"{name}.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    sealed(path)
    with pytest.raises(UserError, match=f"{name}.csv is no table of this report; remove it and run the stage report@"):
        read_tables(folder)


def test_a_new_report_replaces_the_last_one_and_leaves_what_else_is_there(tmp_path: Path) -> None:
    report = tmp_path / "tiny"
    for name in ("figures/old.png", "figures/new.png", "studies/mine.md", "report.md", "run.md"):
        (report / name).parent.mkdir(parents=True, exist_ok=True)
        (report / name).write_text("old")
    with new_report(report) as folder:
        (folder / "figures").mkdir()
        (folder / "figures/new.png").write_text("new")
        (folder / "report.md").write_text("new")
    files = {str(path.relative_to(report)): path.read_text() for path in report.rglob("*") if path.is_file()}
    assert set(json.loads(files.pop("figures/digests.json"))) == {"figures/new.png"}
    assert files == {"figures/new.png": "new", "report.md": "new", "studies/mine.md": "old", "run.md": "old"}


def test_a_report_that_fails_leaves_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("old")
    with suppress(ZeroDivisionError), new_report(tmp_path) as folder:
        (folder / "report.md").write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "report.md").read_text() == "old"


def test_a_study_that_was_not_run_has_no_table(tmp_path: Path) -> None:
    assert read_studies(tmp_path, ["gap"]) == {}


def test_a_table_of_a_study_that_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "studies/gap.csv"
    path.parent.mkdir()
    for content in (b"", b"\xff\x00", b"model,variant,stored\n", b"variant,NDCG@100\na,0.5\n"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"gap\.csv is no table of a study of fits; remove it, or run the study"):
            read_studies(tmp_path, ["gap"])
