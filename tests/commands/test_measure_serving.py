"""How long serving takes is measured by hand, and kept beside the report."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.commands import measure_serving as command
from stages.commands.measure_serving import measure_serving
from stages.evaluate_serving import evaluate_serving
from stages.run import paths
from stages.run.errors import UserError
from stages.serving import timing
from stages.serving.times import read_times
from tests.damage import sealed
from tests.serving.served import DATASET, ROW, leave_served

N_ITEMS, MORE = 50, 120
WAYS = ["dense", "tables, float32", "tables, int8", "approximate"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "rows: [dae-200-opq-20x10, dae-200-rq-5b, rq-vae-200-20b]"
    params = Path("params.yaml").read_text(encoding="utf-8")
    assert rows in params
    (tmp_path / "params.yaml").write_text(params.replace(rows, f"rows: [{ROW}]"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "MOST", 3)
    monkeypatch.setattr(timing, "ENCODED", 20)
    monkeypatch.setattr(command, "MILLION", MORE)


def prepare() -> None:
    leave_served(np.arange(100, 109), 3 * np.arange(N_ITEMS))
    sealed(paths.packages(DATASET) / ROW / "manifest.json")
    evaluate_serving(DATASET)


def test_every_way_is_measured_with_the_items_there_are_and_with_more() -> None:
    prepare()
    report = paths.report(DATASET)
    (report / "kept.md").write_text("by the user")
    measure_serving(DATASET)
    times = read_times(report / "serving.json", "")
    assert [(way.way, way.n_items, way.made_up) for way in times.ways] == [
        *((way, N_ITEMS, False) for way in WAYS),
        *((way, MORE, True) for way in WAYS),
    ]
    assert all(way.p50 <= way.p99 for way in times.ways)
    assert [way.ndcg is None for way in times.ways] == [way.made_up for way in times.ways]
    assert all(way.overlap == 1 for way in times.ways if way.way != "approximate")
    assert times.users[0].n_users == 9
    assert {"numba", "lmdb"} <= set(times.machine.packages)
    text = (report / "serving.md").read_text(encoding="utf-8")
    assert times.machine.cpu in text
    assert f"## {N_ITEMS} items\n" in text
    assert f"## {MORE} items, most of them made up\n" in text
    assert "50 million" not in text
    for name in ("serving.png", "serving-dark.png"):
        assert name in text
        assert (report / name).read_bytes().startswith(b"\x89PNG")
    assert (report / "kept.md").exists()


def test_what_the_benchmark_of_stores_measured_is_told_with_its_machine() -> None:
    prepare()
    entry = {
        "what": "store of 50 million users of 20 bytes: on disk", "ours": 2.345, "unit": "GB", "digits": 2,
        "target": "≤ 3 GB", "cpu": "Fast", "cores": 2, "date": "2030-01-02",
    }  # fmt: skip
    others = {"store_gigabytes_sqlite": entry, "store_gigabytes_map": entry, "query": entry | {"what": "one query"}}
    (paths.REPORTS / "performance.json").write_text(json.dumps(others))
    measure_serving(DATASET)
    text = (paths.report(DATASET) / "serving.md").read_text(encoding="utf-8")
    assert text.count("| on disk ") == 1
    assert "2.35 GB" in text or "2.34 GB" in text
    assert "(Fast, 2 cores, 2030-01-02)" in text
    assert "one query |" not in text.split("## 50 million users")[1]


def test_what_is_missing_is_said_and_the_last_page_stays() -> None:
    with pytest.raises(UserError, match="run the stage preprocess first"):
        measure_serving(DATASET)
    prepare()
    measure_serving(DATASET)
    page = paths.report(DATASET) / "serving.md"
    before = page.read_text(encoding="utf-8")
    (paths.served(DATASET) / ROW / "per_user.parquet").unlink()
    with pytest.raises(UserError, match="run the stage evaluate-serving first"):
        measure_serving(DATASET)
    assert page.read_text(encoding="utf-8") == before
    params = Path("params.yaml")
    params.write_text(params.read_text(encoding="utf-8").replace(f"rows: [{ROW}]", "rows: []"), encoding="utf-8")
    with pytest.raises(UserError, match=r"hands no row over; name some under serving\.rows"):
        measure_serving(DATASET)
