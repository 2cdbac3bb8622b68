"""Recommend items to a stored user, to somebody new, or to everybody in a store.

python -m stages.commands.recommend --dataset ml-latest-small --row dae-200-opq-20x10 --user 42 --top 10
python -m stages.commands.recommend --dataset ml-latest-small --row dae-200-opq-20x10 --items 1,50,260
python -m stages.commands.recommend --dataset ml-latest-small --row dae-200-opq-20x10 --all --out top.parquet --top 100
"""

import csv
import sys
from json import dumps
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer
from scipy.sparse import csr_array
from tabulate import tabulate

from stages.commands.served import PackageFolder, package_of
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.run import paths
from stages.run.command_line import Dataset, Row, run
from stages.run.errors import UserError, printable, quoted
from stages.run.files import files
from stages.run.text import one_line
from stages.serving.encoding.encoder import Encoder
from stages.serving.ids import Kind
from stages.serving.known import USERS_AT_ONCE, Known, OfFile, OfSplit
from stages.serving.lists import write_lists
from stages.serving.package.package import Package
from stages.serving.recommending import Person, Recommended, recommended
from stages.serving.scoring.planner import choose
from stages.serving.store.store import Store, open_store

MOST_NAMED = 5
"""Items that a sentence names."""

User = Annotated[str | None, typer.Option(metavar="ID", help="A user of the store.")]
Items = Annotated[str | None, typer.Option(metavar="ID,ID,…", help="What somebody new likes.")]
All = Annotated[bool, typer.Option("--all", help="For everybody in the store; needs --out.")]
Out = Annotated[Path | None, typer.Option(help="Parquet: columns user, items, scores and popular.")]
Top = Annotated[int, typer.Option(metavar="N", help="Items for each.")]
Histories = Annotated[
    Path | None, typer.Option(help="Parquet of users and their items, in place of the split; --all is all of these.")
]
StoreFolder = Annotated[Path | None, typer.Option(help="A copy of a store, in place of the last run's.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Asked(NamedTuple):
    """For whom, and what is to be said of them."""

    user: int | str | None
    """None of somebody new."""
    person: Person
    notes: list[str]


def recommend(
    dataset: Dataset,
    row: Row,
    user: User = None,
    items: Items = None,
    all: All = False,  # noqa: A002 (the name of the option)
    out: Out = None,
    top: Top = 10,
    histories: Histories = None,
    package: PackageFolder = None,
    store: StoreFolder = None,
    json: Json = False,
) -> None:
    """Print the best items for a user and the reasons, or write those for everybody; users are scored by codes alone.

    The interactions of a user that are known are left out.
    """
    if [user is not None, items is not None, all].count(True) != 1:
        raise UserError("for whom? Give --user ID, --items ID,ID or --all, and one of them alone")
    if all != (out is not None) or (all and json):
        raise UserError("--all and --out FILE go together, without --json: lists of everybody are a file")
    if out is not None and histories is not None and out.resolve() in (histories.resolve(), *_files_of(histories)):
        raise UserError(f"--out {out} would replace the histories; give another name")
    if items is not None and histories is not None:
        raise UserError("--items is a history itself, so leave out --histories")
    settings = read_params().serving
    loaded = package_of(dataset, row, package)
    scorer, why = choose(loaded, settings.scorer, settings.memory * 1e9, USERS_AT_ONCE if all else 1)
    reason = f"scored by {why}"
    if items is not None:
        asked = _somebody_new(loaded, items)
    else:
        with open_store(store or paths.users(dataset, row) / "store", loaded.digest) as opened:
            known: Known = (
                OfSplit(load_split(paths.split(dataset)), loaded.items.ids, opened)
                if histories is None
                else OfFile(histories, loaded.items.ids, opened)
            )
            if out is not None:
                print(reason, file=sys.stderr)
                written = write_lists(known.everybody(), loaded, scorer, top, out)
                print(
                    f"{out}: the best {top:,} items of {written.users:,} users; {written.popular:,} of them have no "
                    f"code and get the most popular items, {written.kept:,} were done by an earlier run"
                )
                return
            asked = _stored(opened, known, _id(str(user), opened.kind_of_ids, "--user"))
    found = recommended(asked.person, loaded, scorer, top)
    if json:
        print(dumps(_as_dict(row, scorer.name, why, asked, found), ensure_ascii=False))
        return
    for note in [reason, *asked.notes]:
        print(printable(note), file=sys.stderr)
    print(_table(found))


def _files_of(histories: Path) -> list[Path]:
    return [file.resolve() for file in files(histories)] if histories.is_dir() else []


def _stored(store: Store, known: Known, user: int | str) -> Asked:
    """A user of the store."""
    (code,), (coded,) = store.codes([user])
    history = known.history(user)
    notes = [] if len(history.seen) else ["no history of this user is known, so nothing is left out"]
    if not coded:
        notes.append("this user has no code, for want of a known item: these are the most popular items")
    return Asked(user, Person(code if coded else None, *history), notes)


def _somebody_new(package: Package, listed: str) -> Asked:
    """A user of these items, who is encoded at once."""
    kind: Kind = "text" if package.items.ids.dtype == object else "integers"
    texts = next(csv.reader([listed], skipinitialspace=True), [])  # an id with a comma stands in quotes
    given = [_id(text, kind, "--items") for text in texts]
    ids = list(dict.fromkeys(given))
    columns = pd.Index(package.items.ids).get_indexer(np.array(ids, package.items.ids.dtype))
    notes = []
    if twice := [item for item in ids if given.count(item) > 1]:
        notes.append(f"given more than once, counted once: {_named(twice)}")
    if unknown := [item for item, column in zip(ids, columns, strict=True) if column < 0]:
        notes.append(f"not among the package's items, so left aside: {_named(unknown)}")
    history = columns[columns >= 0].astype(np.int64)
    if not len(history):
        notes.append("there is no known item to make a code of: these are the most popular items")
        return Asked(None, Person(None, history, history), notes)
    ones = np.ones(len(history), np.float32)
    interactions = csr_array((ones, history, [0, len(history)]), shape=(1, len(package.items.ids)))
    return Asked(None, Person(Encoder(package).encode(interactions)[0], history, history), notes)


def _id(text: str, kind: Kind, option: str) -> int | str:
    if kind == "text":
        return text
    try:
        number = int(text)
    except ValueError:
        number = 2**63
    if not -(2**63) <= number < 2**63:
        raise UserError(f"{option} {quoted(text)}: an id is an integer of 64 bits here")
    return number


def _named(ids: list[int | str]) -> str:
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return ", ".join(map(quoted, ids[:MOST_NAMED])) + more


def _as_dict(row: str, scorer: str, why: str, asked: Asked, found: list[Recommended]) -> dict[str, object]:
    return {
        "row": row,
        "user": asked.user,
        "scorer": scorer,
        "why": why,
        "notes": asked.notes,
        "popular": asked.person.code is None,
        "items": [one.as_dict() for one in found],
    }


def _table(found: list[Recommended]) -> str:
    lines = [
        {
            "score": f"{one.score:.3f}",
            "item": one_line(one.item),
            "title": one_line(one.title),
            "because of": "; ".join(
                f"{one_line(reason.title or reason.item)} {reason.weight:+.3f}" for reason in one.because
            ),
        }
        for one in found
    ]
    return tabulate(lines, headers="keys", tablefmt="plain", disable_numparse=True)


if __name__ == "__main__":
    run(recommend)
