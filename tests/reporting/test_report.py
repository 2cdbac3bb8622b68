"""The stage that writes the report, and the command that draws it again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.commands.draw import draw
from stages.config.params import AS_IS
from stages.config.reader import read_params
from stages.report import report
from stages.reporting.csv_files import write_table
from stages.reporting.load_results import load_results
from stages.reporting.sections.paper_gap import COLUMNS, FLOAT, FittedRow, losses
from stages.run import paths
from stages.run.command_line import run
from stages.run.errors import UserError
from stages.statistics.bootstrap import Bootstrap


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_is_drawn_again_from_its_tables_alone(
    results_on_disk: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report(results_on_disk)
    assert "report.md: 25 rows of MovieLens latest-small" in capsys.readouterr().out
    folder = paths.report(results_on_disk)
    written = contents(folder)
    shutil.rmtree("data")
    for path in [folder / "report.md", folder / "frontier.html", *folder.rglob("*.png")]:
        path.unlink()
    draw(results_on_disk)
    assert contents(folder) == written


def test_a_report_is_not_drawn_from_a_table_that_was_changed(results_on_disk: str) -> None:
    report(results_on_disk)
    folder = paths.report(results_on_disk)
    picture = (folder / "figures/codebook_size.png").read_bytes()
    table = folder / "plots/codebook_size.csv"
    table.write_text(table.read_text().replace(",0.25,", ",0.125,", 1))
    with pytest.raises(UserError, match=r"codebook_size\.csv is not as the stage report@ml-latest-small wrote it"):
        draw(results_on_disk)
    assert (folder / "figures/codebook_size.png").read_bytes() == picture


def test_a_report_without_digests_is_said_with_the_command_that_makes_them(results_on_disk: str) -> None:
    report(results_on_disk)
    (paths.report(results_on_disk) / "plots/digests.json").unlink()
    with pytest.raises(
        UserError, match=r"has no digests\.json beside it, .*; run the stage report@ml-latest-small again"
    ):
        draw(results_on_disk)


def test_metrics_are_rounded_means_of_every_row(results_on_disk: str) -> None:
    report(results_on_disk)
    text = (paths.report(results_on_disk) / "metrics.json").read_text()
    rows = json.loads(text)["rows"]
    results = load_results(read_params(), results_on_disk)
    assert list(rows) == [row.name for row in results.rows]
    assert list(rows["dae-200"]) == [*results.metrics, "bytes_per_user"]
    assert rows["dae-200"]["ndcg@100"] == round(results.rows[2].mean("ndcg@100"), 5)
    assert text == json.dumps({"rows": rows}, indent=2) + "\n"


def test_the_headline_is_written_for_people_to_compare(results_on_disk: str) -> None:
    report(results_on_disk)
    numbers = json.loads((paths.report(results_on_disk) / "headline.json").read_text())
    assert numbers["ndcg@100"]["popularity"] == round(
        load_results(read_params(), results_on_disk).rows[0].mean("ndcg@100"), 5
    )
    assert sum(numbers["during_against_after_training"].values()) == 7


def test_drawing_goes_on_where_it_was_killed_between_the_old_folder_and_the_new_one(
    results_on_disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(results_on_disk)
    folder = paths.report(results_on_disk)
    written = contents(folder)
    (folder / "figures").rename(folder / ".figures.old.part")
    monkeypatch.setattr(sys, "argv", ["draw", "--dataset", results_on_disk])
    with pytest.raises(SystemExit) as raised:
        run(draw)
    assert raised.value.code in (None, 0)
    assert contents(folder) == written


def test_drawing_a_report_that_is_not_there_is_said(results_on_disk: str) -> None:
    with pytest.raises(UserError, match=r"there is no report at .*; run: dvc repro report@ml-latest-small"):
        draw(results_on_disk)


@pytest.mark.parametrize("module", ["stages.report", "stages.commands.draw", "stages.commands.advise"])
def test_neither_pytorch_nor_faiss_is_imported(module: str) -> None:
    program = f"import sys, {module}; print({{'torch', 'faiss'}} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert shown == "set()\n"


def test_a_study_of_fits_that_was_run_is_in_the_report(results_on_disk: str) -> None:
    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    params["studies"]["paper-gap"] = {
        "model": "dae-200-200-200", "yardstick": "dae-200", "quantizers": ["pq-40x5"],
        "variants": {"few vectors": {"fit": {"points": 256}}},
    }  # fmt: skip
    yaml.dump(params, Path("params.yaml"))
    made_up = [
        FittedRow(model, variant, stored, np.array([[0.5, 0.4]]))
        for model, variant in (("dae-200", AS_IS), ("dae-200-200-200", AS_IS), ("dae-200-200-200", "few vectors"))
        for stored in (FLOAT, "pq-40x5")
    ]
    table = paths.study_table(results_on_disk, "paper-gap")
    table.parent.mkdir(parents=True)
    write_table(losses(made_up, Bootstrap(100, 0)), table, COLUMNS.all_text)
    report(results_on_disk)
    page = paths.report(results_on_disk) / "report.md"
    words = page.read_text()
    assert "Nothing is claimed about MovieLens-20M" in words
    draw(results_on_disk)
    assert page.read_text() == words
    table.write_text("model\n")
    with pytest.raises(UserError, match=r"studies/paper-gap\.csv is no table of a study of fits"):
        report(results_on_disk)
    assert page.read_text() == words
