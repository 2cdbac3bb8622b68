"""Compress vectors of your own, such as a two-tower model's, to codes.

python -m stages.commands.compress users.npy --bytes 20
python -m stages.commands.compress users.npy --bytes 20 --items items.npy --held-out held_out.parquet --out users-20b

Codes are fitted on up to 65,536 vectors, and measured on others. Of those that take no more bytes than were asked for,
the ones are written that keep the most: of the exact top 100 where items are given, else of the variance.
"""

import hashlib
import json
import os
from math import isnan
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import safetensors.torch
import torch
import typer
from scipy.sparse import csr_array

from stages.interfaces.codec import Float32
from stages.interfaces.split import HeldOutUsers
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, difference, score, share
from stages.run.command_line import run
from stages.run.errors import UserError, quoted
from stages.run.files import whole_folder
from stages.serving.encoding.encoder import encode
from stages.serving.encoding.parts import Codes, part, write_part
from stages.serving.encoding.parts import Origin as PartOrigin
from stages.serving.export.convert import quantizer_of
from stages.serving.ids import kind_of
from stages.serving.lookup import QuantizedEmbedding
from stages.serving.package.files import write_package
from stages.serving.package.manifest import Origin
from stages.serving.package.package import Items
from stages.statistics.bootstrap import Bootstrap, Interval
from stages.vectors.compression import BEAM, SEED, Candidate, Measured, Yardstick, candidates, chunks, split_rows
from stages.vectors.reading import VectorFile, open_vectors, read_ids

RESAMPLES = 2_000
TABLE, CODEC, CODES, PACKAGE = "embedding.safetensors", "codec.npz", "codes", "package"

Vectors = Annotated[
    Path, typer.Argument(help=".npy, .parquet with a column of lists (and one of ids), or .safetensors.")
]
Bytes = Annotated[int, typer.Option(min=1, help="Of a code.")]
ItemTable = Annotated[Path | None, typer.Option(help="Vectors of items, as those of users; scores are inner products.")]
HeldOut = Annotated[
    Path | None, typer.Option(help="Parquet, columns user and item: what is to be predicted, and no vector has seen.")
]
Known = Annotated[
    Path | None, typer.Option(help="Parquet, columns user and item: what users have, left out of their top 100.")
]
Out = Annotated[Path | None, typer.Option(help="A new folder for codes, codec, package and look-up table.")]


class Catalogue(NamedTuple):
    """The item table."""

    path: Path
    ids: pa.Array
    vectors: np.ndarray
    """float32 (n_items, d)."""


class Pairs(NamedTuple):
    """Pairs of users and items, as row numbers of their tables."""

    users: np.ndarray
    items: np.ndarray

    def matrix(self, rows: np.ndarray, n_items: int) -> csr_array:
        """0/1 (len(rows), n_items) of these users, rows : int64, ascending."""
        places = np.searchsorted(rows, self.users).clip(max=len(rows) - 1)
        chosen = rows[places] == self.users
        entries = np.ones(chosen.sum(), np.float32), (places[chosen], self.items[chosen])
        matrix = csr_array(entries, shape=(len(rows), n_items))
        matrix.data[:] = 1  # a pair that is there twice counts once
        return matrix


NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))


def compress(
    vectors: Vectors,
    bytes: Bytes,  # noqa: A002 (the name of the option)
    items: ItemTable = None,
    held_out: HeldOut = None,
    known: Known = None,
    out: Out = None,
) -> None:
    """Fit product and residual codes on a table of vectors, print what they keep, and write the best of these bytes."""
    table = open_vectors(vectors)
    _check(table, bytes, items, held_out, known, out)
    print(_said(table))
    if (n_chunks := chunks(table.width, bytes)) < bytes:
        print(f"{bytes:,} chunks do not divide {table.width:,} dimensions, so product codes have {n_chunks:,} bytes")
    ids = table.ids()
    catalogue = _catalogue(items, table) if items else None
    wanted = _pairs(held_out, ids, table, catalogue) if held_out and catalogue else None
    seen = _pairs(known, ids, table, catalogue) if known and catalogue else NO_PAIRS
    fitted, unseen = split_rows(table.n, np.unique(wanted.users) if wanted else None)
    rows = np.sort(np.concatenate([fitted, unseen]))
    taken = table.take(rows)
    users = _held_out_users(wanted, seen, unseen, len(catalogue.ids)) if wanted and catalogue else None
    yardstick = Yardstick(taken[np.searchsorted(rows, unseen)], catalogue.vectors if catalogue else None, users)
    found = [
        (candidate, yardstick.measure(candidate.codec))
        for candidate in candidates(taken[np.searchsorted(rows, fitted)], bytes)
    ]
    print(f"fitted on {len(fitted):,} of them; the table is of {len(unseen):,} others\n")
    print(_table(found, yardstick.measure(Float32()), table.width))
    best = _best(found, bytes)
    by = "shares the most of the exact top 100" if catalogue else "loses the least variance"
    print(f"\n{best.name} {by} of the codes of up to {bytes:,} bytes, on vectors that the fit did not see")
    if out is None:
        print("nothing is written; to have its codes, add --out with a new folder")
        return
    _write(out, table, ids, best, catalogue, seen)
    root, package = QuantizedEmbedding.__module__.partition(".")[0], f", a package ({PACKAGE})" if catalogue else ""
    print(f"""
{out} holds its codes ({CODES}), its codec ({CODEC}){package}, and the table as a layer:

from safetensors.torch import load_file
from {root} import QuantizedEmbedding

layer = QuantizedEmbedding(**load_file("{out / TABLE}"))  # {table.n:,} rows of {table.width:,} dimensions""")


def _check(
    table: VectorFile, n_bytes: int, items: Path | None, held_out: Path | None, known: Path | None, out: Path | None
) -> None:
    """UserError where options do not fit together, or to the vectors."""
    if n_bytes >= 4 * table.width:
        raise UserError(
            f"--bytes {n_bytes:,}: {table.width:,} dimensions take {4 * table.width:,} bytes as they are; give fewer"
        )
    for option, path in (("--held-out", held_out), ("--known", known)):
        if path and not items:
            raise UserError(f"{option} says what to rank or to leave out, for which --items is needed, too")
    if out and os.path.lexists(out):
        raise UserError(f"there is already {out}; give --out a name that is not taken")


def _said(table: VectorFile) -> str:
    converted = "" if table.dtype == "float32" else ", converted to float32"
    numbered = "" if table.id_column else "; their ids are the numbers of their rows, from 0"
    return f"{table.path}: {table.n:,} vectors of {table.width:,} dimensions, {table.dtype}{converted}{numbered}"


def _catalogue(path: Path, table: VectorFile) -> Catalogue:
    items = open_vectors(path)
    if items.width != table.width:
        raise UserError(
            f"{path} has {items.width:,} dimensions and {table.path} {table.width:,}; inner products need the same"
        )
    print(_said(items))
    return Catalogue(path, items.ids(), items.read())


def _pairs(path: Path, ids: pa.Array, table: VectorFile, catalogue: Catalogue) -> Pairs:
    """Pairs of known users and items; UserError where one is unknown."""
    return Pairs(
        *(
            _rows(read_ids(path, column, kind_of(of)), of, f"{column} of {path}", where)
            for column, of, where in (("user", ids, table.path), ("item", catalogue.ids, catalogue.path))
        )
    )


def _rows(wanted: pa.Array, ids: pa.Array, what: str, where: Path) -> np.ndarray:
    """Row numbers of ids, int64."""
    if not len(wanted):
        raise UserError(f"there is no {what}: the file is empty; give pairs, or leave it out")
    rows = pc.index_in(wanted, value_set=ids)
    if rows.null_count:
        unknown = wanted.filter(rows.is_null()).unique()
        raise UserError(
            f"{len(unknown):,} {what} have no vector in {where}, such as {quoted(unknown[0].as_py())}; leave them out"
        )
    return rows.to_numpy().astype(np.int64)


def _held_out_users(wanted: Pairs, seen: Pairs, rows: np.ndarray, n_items: int) -> HeldOutUsers:
    held_out = wanted.matrix(rows, n_items)
    fold_in = seen.matrix(rows, n_items)
    if n_both := int((fold_in * held_out).sum()):
        raise UserError(f"{n_both:,} pairs are both held out and known, which are left out; give each in one file")
    return HeldOutUsers(fold_in, held_out)


def _best(found: list[tuple[Candidate, Measured]], n_bytes: int) -> Candidate:
    """The codes of up to so many bytes that keep the most, by the top 100 or the variance."""

    def kept(of: tuple[Candidate, Measured]) -> tuple[float, float]:
        return of[1].overlap or 0.0, -(of[1].variance_lost or 0.0)  # few items: all share the whole top 100

    return max((of for of in found if of[0].codec.bytes_per_vector <= n_bytes), key=kept)[0]


def _table(found: list[tuple[Candidate, Measured]], whole: Measured, width: int) -> str:
    """The frontier, in Markdown."""
    rows = [("float32", 4 * width, 0, whole)]
    rows += [(of.name, of.codec.bytes_per_vector, of.codec.shared_bytes, measured) for of, measured in found]
    cells = {
        "stored as": [name for name, *_ in rows],
        "bytes": [f"{n_bytes:,}" for _, n_bytes, _, _ in rows],
        "shared bytes": [f"{shared:,}" for _, _, shared, _ in rows],
        "variance lost": [UNKNOWN if (lost := m.variance_lost) is None else share(lost) for *_, m in rows],
    }
    if whole.overlap is not None:
        cells["overlap@100"] = [share(measured.overlap or 0.0) for *_, measured in rows]
    if whole.ndcg is not None:
        bootstrap = Bootstrap(RESAMPLES, SEED)

        def against(measured: Measured, other: np.ndarray) -> Interval:
            assert measured.ndcg is not None  # of every row, or of none
            return bootstrap.difference(measured.ndcg[None], other[None])

        means = [against(measured, np.zeros_like(whole.ndcg)) for *_, measured in rows]
        cells["NDCG@100 (95 % CI)"] = [
            f"{score(mean)} ({UNKNOWN if isnan(low) else f'{score(low)}–{score(high)}'})" for mean, low, high in means
        ]
        cells["against float32 (95 % CI)"] = [UNKNOWN] + [
            difference(*against(measured, whole.ndcg)) for *_, measured in rows[1:]
        ]
    return markdown(pd.DataFrame(cells))


def _write(
    out: Path, table: VectorFile, ids: pa.Array, best: Candidate, catalogue: Catalogue | None, seen: Pairs
) -> None:
    """Write codec, package, codes and look-up table into a new folder."""
    quantizer = quantizer_of(best.codec)
    digest_of_vectors = _digest(table.path)
    with whole_folder(out) as folder:
        best.codec.save(folder / CODEC)
        package = _digest(folder / CODEC)
        if catalogue:
            (folder / PACKAGE).mkdir()
            counts = np.bincount(seen.items, minlength=len(catalogue.ids))
            bias = np.zeros(len(catalogue.ids), np.float32)
            settings = json.dumps({"row": best.name, "seed": SEED, "beam": BEAM})
            origin = Origin(
                data_set=table.path.name,
                row=best.name,
                seed=None,
                data_sha256=digest_of_vectors,
                parameters_sha256=hashlib.sha256(settings.encode()).hexdigest(),
                ndcg=None,
            )
            item_ids = np.array(
                catalogue.ids.to_pylist(), dtype=None if kind_of(catalogue.ids) == "integers" else object
            )
            of_items = Items(item_ids, None, catalogue.vectors, bias, counts.astype(np.int64))
            package = write_package(folder / PACKAGE, origin, None, quantizer, of_items)
        (folder / CODES).mkdir()
        codes = np.empty((table.n, quantizer.n_bytes), np.uint8)
        start = 0
        for number, batch in enumerate(table.batches()):
            stop = start + len(batch)
            codes[start:stop] = encode(quantizer, batch)
            of_batch = Codes(ids[start:stop], codes[start:stop], np.ones(len(batch), bool))
            unknown = np.ma.masked_all(len(batch), np.int32)  # of histories nothing is known
            write_part(
                part(folder / CODES, number),
                of_batch,
                unknown,
                unknown,
                PartOrigin(package, digest_of_vectors, start, stop, stop == table.n),
            )
            start = stop
        shared = QuantizedEmbedding.from_codec(best.codec, codes[:0]).state_dict()
        # Not save_file: of a full disk it raises an error of its own.
        (folder / TABLE).write_bytes(safetensors.torch.save({**shared, "codes": torch.from_numpy(codes)}))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    run(compress)
