"""Studies and their commands."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import ablations
from tests.reporting.made_up import EXPERIMENT, FLOAT, results, tables_of


def test_every_study_has_its_command_whether_it_was_run_or_not(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    text = ablations.words(tables, replace(EXPERIMENT, studies={"ablation": "rq-vae"}))
    assert text.endswith(
        "\n\n- `ablation`, variants of `rq-vae`: `python -m stages.commands.study --dataset tiny --study ablation` "
        "writes `studies/ablation.md`"
    )
    assert "](" not in text
    assert ablations.words(tables, EXPERIMENT) == ""
