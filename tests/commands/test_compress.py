"""Vectors of one's own become codes, a codec, a package and a look-up table that all say the same."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from stages import QuantizedEmbedding, load_package
from stages.codecs import load_codec
from stages.commands.compress import CODEC, CODES, PACKAGE, TABLE, compress
from stages.run.errors import UserError
from stages.serving.encoding.encoder import encode
from stages.serving.encoding.parts import read_codes
from stages.serving.scoring.dense import Dense
from stages.vectors import reading

N_USERS, N_ITEMS, WIDTH = 700, 150, 12
DRAWS = np.random.default_rng(0)
TASTES = DRAWS.normal(size=(N_USERS, 3))
DIRECTIONS = DRAWS.normal(size=(3, WIDTH))
USERS = (TASTES @ DIRECTIONS + 0.1 * DRAWS.normal(size=(N_USERS, WIDTH))).astype(np.float32)
ITEMS = DRAWS.normal(size=(N_ITEMS, WIDTH)).astype(np.float32)
LIKED = np.argsort(-(USERS @ ITEMS.T), axis=1)[:, :10]
WITH_PAIRS = np.arange(0, N_USERS, 5)


def pairs(places: slice) -> pa.Table:
    liked = LIKED[WITH_PAIRS, places]
    return pa.table({"user": WITH_PAIRS.repeat(liked.shape[1]), "item": liked.ravel()})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.save(tmp_path / "users.npy", USERS)
    np.save(tmp_path / "items.npy", ITEMS.astype(np.float64))
    pq.write_table(pairs(slice(5)), tmp_path / "held_out.parquet")
    pq.write_table(pairs(slice(5, 10)), tmp_path / "known.parquet")
    return tmp_path


def all_options(files: Path) -> dict[str, Path]:
    named = {"items": "items.npy", "held_out": "held_out.parquet", "known": "known.parquet", "out": "out"}
    return {option: files / name for option, name in named.items()}


def cells(printed: str) -> dict[str, list[str]]:
    """Row of the table → its cells."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in rows}


def test_the_frontier_is_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress(files / "users.npy", 3)
    printed = capsys.readouterr().out
    assert "700 vectors of 12 dimensions, float32; their ids are the numbers of their rows" in printed
    assert "fitted on 630 of them; the table is of 70 others" in printed
    table = cells(printed)
    assert table["float32"][0] == "48"
    assert list(table) == [
        *("stored as", ":------------", "float32", "pq-1x12", "opq-1x12", "rq-1b", "pq-3x4", "opq-3x4", "rq-3b"),
        *("pq-6x2", "opq-6x2"),
    ]  # fmt: skip
    lost = {name: float(row[2].removesuffix(" %")) for name, row in table.items() if row[2].endswith("%")}
    best = min(("pq-3x4", "opq-3x4", "rq-3b"), key=lambda name: lost[name])
    assert (
        f"{best} loses the least variance of the codes of up to 3 bytes, on vectors that the fit did not see" in printed
    )
    assert "nothing is written" in printed
    assert {path.name for path in files.iterdir()} == {"users.npy", "items.npy", "held_out.parquet", "known.parquet"}


def test_with_items_and_pairs_overlap_and_ndcg_are_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress(files / "users.npy", 3, **{**all_options(files), "out": None})
    printed = capsys.readouterr().out
    assert "items.npy: 150 vectors of 12 dimensions, float64, converted to float32" in printed
    table = cells(printed)
    assert table["stored as"][3:] == ["overlap@100", "NDCG@100 (95 % CI)", "against float32 (95 % CI)"]
    assert table["float32"][3] == "100.0 %"
    exact = float(table["float32"][4].split()[0])
    assert exact == 1.0  # what is held out is what the vectors score highest, once what is known is left out
    assert 0 < float(table["rq-3b"][4].split()[0]) < exact
    assert re.fullmatch(r"-0\.\d{4} \(-0\.\d{4} to -0\.\d{4}\)", table["rq-3b"][5])


def test_a_single_user_has_no_interval(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"user": [5], "item": [LIKED[5, 0]]}), files / "held_out.parquet")
    compress(files / "users.npy", 3, items=files / "items.npy", held_out=files / "held_out.parquet")
    printed = capsys.readouterr().out
    assert "fitted on 699 of them; the table is of 1 others" in printed
    assert cells(printed)["float32"][2:5] == ["0.0 %", "100.0 %", "1.0000 (–)"]


def test_all_that_is_written_is_of_the_same_codes(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 300)
    compress(files / "users.npy", 3, **all_options(files))
    printed = capsys.readouterr().out
    out = files / "out"
    codec, package = load_codec(out / CODEC), load_package(out / PACKAGE)
    found, digest = read_codes(out / CODES)
    assert len(list((out / CODES).iterdir())) == 3
    assert digest == package.digest
    assert package.encoder is None
    assert f"{package.row} shares the most of the exact top 100 of the codes of up to 3 bytes" in printed
    assert found.has_code.all()
    np.testing.assert_array_equal(found.users.to_numpy(), np.arange(N_USERS))
    np.testing.assert_array_equal(found.codes, codec.encode(USERS))
    np.testing.assert_array_equal(found.codes, encode(package.quantizer, USERS))
    layer = QuantizedEmbedding(**load_file(out / TABLE))
    decoded = np.asarray(codec.decode(found.codes))
    np.testing.assert_allclose(layer(torch.arange(N_USERS)), decoded, rtol=1e-5, atol=1e-5)
    assert f'layer = QuantizedEmbedding(**load_file("{out / TABLE}"))' in printed
    np.testing.assert_array_equal(package.items.ids, np.arange(N_ITEMS))
    np.testing.assert_array_equal(package.items.interactions, np.bincount(LIKED[WITH_PAIRS, 5:].ravel(), minlength=150))
    scores = decoded[:20] @ ITEMS.T
    np.testing.assert_array_equal(Dense(package).top(found.codes[:20], 10).items, np.argsort(-scores)[:, :10])


def test_it_writes_the_same_bytes_again(files: Path) -> None:
    for name in ("out", "again"):
        compress(files / "users.npy", 2, **{**all_options(files), "out": files / name})
    written = [path for path in sorted((files / "out").rglob("*")) if path.is_file() and path.name != "digests.json"]
    assert {path.name for path in written} > {TABLE, CODEC, "part-00000.parquet", "manifest.json"}
    for path in written:
        assert path.read_bytes() == (files / "again" / path.relative_to(files / "out")).read_bytes(), path


def test_ids_are_those_of_the_files(files: Path) -> None:
    users, items = [f"u{number}" for number in range(N_USERS)], [f"i{number}" for number in range(N_ITEMS)]
    for name, ids, vectors in (("user", users, USERS), ("item", items, ITEMS)):
        pq.write_table(pa.table({name: ids, "v": pa.array(list(vectors))}), files / f"{name}s.parquet")
    held_out = pa.table({"user": ["u699", "u3"], "item": ["i149", "i0"]})
    pq.write_table(held_out, files / "held_out.parquet")
    options = {**all_options(files), "items": files / "items.parquet", "known": None}
    compress(files / "users.parquet", 2, **options)
    assert read_codes(files / "out" / CODES)[0].users.to_pylist() == users
    assert load_package(files / "out" / PACKAGE).items.ids.tolist() == items


def test_without_items_there_is_no_package_but_new_vectors_can_be_encoded(files: Path) -> None:
    compress(files / "users.npy", 2, out=files / "out")
    assert not (files / "out" / PACKAGE).exists()
    assert load_codec(files / "out" / CODEC).encode(USERS[:5]).shape == (5, 2)


def test_chunks_that_do_not_divide_the_width_are_said(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compress(files / "users.npy", 5, out=files / "out")
    printed = capsys.readouterr().out
    assert "5 chunks do not divide 12 dimensions, so product codes have 4 bytes" in printed
    assert {"pq-4x3", "opq-4x3", "rq-5b"} < set(cells(printed))
    assert re.search("^(opq-4x3|rq-5b) loses the least variance of the codes of up to 5 bytes", printed, re.MULTILINE)


def rewritten(name: str, **columns: Any) -> Callable[[Path], None]:
    return lambda files: pq.write_table(pa.table(columns), files / name)


def saved(name: str, vectors: np.ndarray) -> Callable[[Path], None]:
    return lambda files: np.save(files / name, vectors)


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "unknown users": (
        rewritten("held_out.parquet", user=[3, 700, 701], item=[1, 1, 1]),
        "2 user of .*held_out.parquet have no vector in .*users.npy, such as 700; leave them out",
    ),
    "unknown items": (
        rewritten("known.parquet", user=[3], item=[150]),
        "1 item of .*known.parquet have no vector in .*items.npy, such as 150",
    ),
    "ids of another kind": (rewritten("held_out.parquet", user=["3"], item=[1]), "'3' is text; give integers"),
    "no such column": (rewritten("held_out.parquet", account=[3], item=[1]), "has no column user; it has 'account'"),
    "no pairs": (rewritten("known.parquet", user=pa.array([], pa.int64()), item=pa.array([], pa.int64())), "is empty"),
    "known and held out": (
        rewritten("known.parquet", user=[0, 0], item=[LIKED[0, 0], LIKED[0, 9]]),
        "1 pairs are both held out and known",
    ),
    "NaN in the last vector": (
        saved("users.npy", np.concatenate([USERS[:-1], np.full((1, WIDTH), np.nan, np.float32)])),
        "the vector in row 699 .* holds NaN",
    ),
    "items of another width": (saved("items.npy", ITEMS[:, :5]), "items.npy has 5 dimensions and .*users.npy 12"),
    "too few vectors": (saved("users.npy", USERS[:100]), "such as|256 codes need as many vectors"),
    "all the same": (saved("users.npy", np.ones((N_USERS, WIDTH))), "all vectors are the same"),
    "a folder that is taken": (lambda files: (files / "out").mkdir(), "there is already .*out; give --out a name that"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_sentence_and_nothing_is_written(files: Path, fault: str) -> None:
    make, expected = FAULTS[fault]
    make(files)
    before = sorted(files.rglob("*"))
    with pytest.raises(UserError, match=expected):
        compress(files / "users.npy", 3, **all_options(files))
    assert sorted(files.rglob("*")) == before


@pytest.mark.parametrize("option", ["held_out", "known"])
def test_pairs_need_items(files: Path, option: str) -> None:
    with pytest.raises(UserError, match=f"--{option.replace('_', '-')} says .* --items is needed"):
        compress(files / "users.npy", 3, **{option: files / f"{option}.parquet"})


def test_as_many_bytes_as_the_vectors_take_are_refused(files: Path) -> None:
    with pytest.raises(UserError, match="--bytes 48: 12 dimensions take 48 bytes as they are; give fewer"):
        compress(files / "users.npy", 48)


def test_where_few_items_tell_codes_apart_the_variance_decides(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(files / "few.npy", ITEMS[:50])
    compress(files / "users.npy", 3)
    by_variance = re.search(r"\n(\S+) loses the least variance", capsys.readouterr().out)
    compress(files / "users.npy", 3, items=files / "few.npy")
    by_items = re.search(r"\n(\S+) shares the most", capsys.readouterr().out)
    assert by_variance is not None
    assert by_items is not None
    assert by_items[1] == by_variance[1]
