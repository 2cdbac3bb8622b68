"""Which codec for so many users in so many gigabytes."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from stages.commands.advise import advise
from stages.run.errors import UserError
from stages.run.facts import recorded
from stages.serving.times import ServingTimes
from tests.damage import sealed
from tests.serving.made_up_times import made_up_times

ROWS = pd.DataFrame(
    {
        "row": ["ease", "float", "fine", "coarse", "worse"],
        "family": ["reference", "float", "trained", "trained", "product"],
        "stored": "codes",
        "bytes_per_user": [100.0, 800.0, 20.0, 5.0, 20.0],
        "shared_bytes": [0, 0, 500_000_000, 1000, 0],
        "ndcg@100": [0.5, 0.4, 0.39, 0.35, 0.41],
        "validation_ndcg": [0.5, 0.4, 0.39, 0.35, 0.3],
        "difference": [None, None, -0.01, -0.05, 0.01],
        "difference_low": [None, None, -0.02, -0.06, 0.0],
        "difference_high": [None, None, 0.0, -0.04, 0.02],
        "kept": [None, None, 0.975, 0.875, 1.025],
        "kept_low": [None, None, 0.96, 0.86, 1.0],
        "kept_high": [None, None, 0.99, 0.89, 1.05],
        "above_popularity": [None, None, 0.95, 0.75, 1.05],
        "above_popularity_low": [None, None, 0.94, 0.74, 1.0],
        "above_popularity_high": [None, None, 0.96, 0.76, 1.1],
        "repeats": "",
        "float_twin": "",
        "nearest_twin": "",
        "standing": "",
        "users": 10,
        "standard_error": 0.01,
        "seed_spread": 0.01,
        "variance_lost": None,
    }
)


@pytest.fixture(autouse=True)
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    path = Path("reports/ml-latest-small/plots/frontier.csv")
    path.parent.mkdir(parents=True)
    ROWS.to_csv(path, index=False)
    return sealed(path)


@pytest.mark.parametrize(("gigabytes", "row"), [(40, "float"), (1.5, "fine"), (1.4, "coarse"), (0.3, "coarse")])
def test_the_best_row_that_fits_is_named_codebooks_included(
    gigabytes: float, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    advise("ml-latest-small", 50_000_000, gigabytes)
    assert capsys.readouterr().out.startswith(f"{row}: codes, ")


def test_it_is_chosen_on_validation_users_and_measured_on_test_users(capsys: pytest.CaptureFixture[str]) -> None:
    advise("ml-latest-small", 50_000_000, 2)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "fine: codes, 20 bytes per user, 1.5 GB for 50,000,000 users",
        "chosen on the validation users of MovieLens latest-small (2018-09); on its test users: NDCG@100 0.3900, "
        "97.5 % (96.0–99.0) of its float model's, a difference of -0.0100 (-0.0200 to +0.0000); 95.0 % (94.0–96.0) of "
        "what that model has above popularity",
    ]


def test_what_is_not_known_is_a_dash_or_left_out(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = [str(name) for name in ROWS if str(name).endswith(("_low", "_high"))]
    ROWS.assign(above_popularity=None, **dict.fromkeys(ends)).to_csv(report, index=False)
    sealed(report)
    advise("ml-latest-small", 50_000_000, 2)
    told = capsys.readouterr().out
    assert "NDCG@100 0.3900, 97.5 % (–) of its float model's, a difference of -0.0100 (–)\n" in told
    assert "| coarse | 5 | 0.25 GB | 0.3500 | -0.0500 (–) | – |" in " ".join(told.split())
    ROWS.assign(kept=None, above_popularity=None).to_csv(report, index=False)
    sealed(report)
    advise("ml-latest-small", 50_000_000, 2)
    assert "0.3900, of a float model without a hit, a difference of -0.0100 (-0.0200 to" in capsys.readouterr().out


def test_what_is_best_in_less_follows_and_no_row_that_is_worse_for_more(capsys: pytest.CaptureFixture[str]) -> None:
    advise("ml-latest-small", 50_000_000, 40)
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[2:] == ["fine", "coarse"]


def test_a_code_that_repeats_a_shorter_one_is_not_advised(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ROWS.assign(repeats=["", "", "coarse", "", ""]).to_csv(report, index=False)
    sealed(report)
    advise("ml-latest-small", 50_000_000, 2)
    assert capsys.readouterr().out.startswith("coarse: ")


def test_nothing_that_fits_is_said_with_what_would() -> None:
    with pytest.raises(UserError, match=r"the smallest, coarse, takes 0\.250001 GB: give as much"):
        advise("ml-latest-small", 50_000_000, 0.1)


NEEDS = "to encode a user takes the history, and not an embedding alone"


def test_of_codes_chosen_by_scores_is_said_what_they_need(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ROWS.assign(nearest_twin=["", "", "worse", "worse", ""]).to_csv(report, index=False)
    sealed(report)
    advise("ml-latest-small", 50_000_000, 2)
    assert capsys.readouterr().out.splitlines()[2] == NEEDS
    with recorded("ml-latest-small", "evaluate") as facts:
        facts["microseconds"] = {
            "fine": {"encode": 2345.6, "decode": 1.0}, "worse": {"encode": 7.89, "decode": 1.0},
        }  # fmt: skip
    advise("ml-latest-small", 50_000_000, 2)
    assert (
        capsys.readouterr().out.splitlines()[2] == f"{NEEDS}; 2,346 µs, against 7.89 µs for worse, as the run measured"
    )
    advise("ml-latest-small", 50_000_000, 40)
    assert capsys.readouterr().out.endswith("chosen by scores, which takes histories and longer: fine, coarse\n")


@pytest.fixture
def measured(report: Path) -> Path:
    path = report.parents[1] / "serving.json"
    path.write_text(made_up_times().model_dump_json())
    return path


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("milliseconds", "row"), [(1.0, "fine"), (0.3, "fine"), (0.29, "coarse"), (0.03, "coarse")])
def test_of_the_rows_that_fit_the_best_that_is_fast_enough_is_named(
    milliseconds: float, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    advise("ml-latest-small", 50_000_000, 2, milliseconds)
    assert capsys.readouterr().out.startswith(f"{row}: codes, ")


@pytest.mark.usefixtures("measured")
def test_the_fastest_way_of_scoring_is_named_with_its_machine(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advise("ml-latest-small", 50_000_000, 40, 1)
    told = capsys.readouterr().out
    assert told.splitlines()[2] == (
        "ranked by tables, int8, a query takes 0.02 ms at the median and 0.3 ms at the 99th percentile, for 5,000 "
        "items on Fast, 2 cores (2030-01-02)"
    )
    assert "never measured" not in told  # a row of floats can't be
    assert "| coarse" in told
    ROWS.assign(family="trained").to_csv(report, index=False)
    sealed(report)
    advise("ml-latest-small", 50_000_000, 40, 1)
    assert "better on the validation users, but never measured: ease, float\n" in capsys.readouterr().out
    advise("ml-latest-small", 50_000_000, 0.3, 1)
    assert "never measured" not in capsys.readouterr().out


def test_rows_that_are_too_slow_or_not_measured_are_said(measured: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"ranked within 0\.01 ms; the fastest, coarse by tables, int8, takes 0\.03 ms at .* on Fast, 2 cores",
    ):
        advise("ml-latest-small", 50_000_000, 2, 0.01)
    times = made_up_times()
    measured.write_text(ServingTimes(machine=times.machine, ways=[], users=[]).model_dump_json())
    with pytest.raises(UserError, match=r"no times are known for any row that fits; name rows of"):
        advise("ml-latest-small", 50_000_000, 2, 1)
    measured.unlink()
    command = r"python -m stages\.commands\.measure_serving --dataset ml-latest-small"
    with pytest.raises(UserError, match=rf"nothing is known of times; run: {command}"):
        advise("ml-latest-small", 50_000_000, 2, 1)


def test_no_report_is_said_with_the_command_that_makes_it(report: Path) -> None:
    report.unlink()
    with pytest.raises(UserError, match="run: dvc repro report@ml-latest-small"):
        advise("ml-latest-small", 5, 1)


@pytest.mark.parametrize("lines", range(len(ROWS) + 1))
def test_a_report_that_was_cut_gives_no_other_answer(report: Path, lines: int) -> None:
    report.write_bytes(b"".join(report.read_bytes().splitlines(keepends=True)[:lines]))
    with pytest.raises(UserError, match=r"frontier\.csv is not as the stage report@ml-latest-small wrote it"):
        advise("ml-latest-small", 50_000_000, 1.5)


def test_a_report_of_other_columns_is_said(report: Path) -> None:
    report.write_text("row\nx\n")
    sealed(report)
    with pytest.raises(UserError, match=r"frontier\.csv is no table of this report"):
        advise("ml-latest-small", 5, 1)


@pytest.mark.parametrize("rows", [ROWS[:0], ROWS[:1], ROWS.assign(bytes_per_user=None), ROWS.drop(columns="stored")])
def test_a_report_without_codes_is_said(report: Path, rows: pd.DataFrame) -> None:
    rows.to_csv(report, index=False)
    sealed(report)
    with pytest.raises(UserError, match=r"frontier\.csv is no table of this report"):
        advise("ml-latest-small", 5, 1)
