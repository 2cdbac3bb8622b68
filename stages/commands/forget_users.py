"""Delete users from a store: one by one, or all of a Parquet file's column `user`.

python -m stages.commands.forget_users --store store --user 42 --user 43
python -m stages.commands.forget_users --store store --users left.parquet

All are gone at once, or none; who is not there is counted, so that it can be run again. Their codes may stay in free
pages of data.mdb until later writes take those; a store that is built anew holds nothing of them. Delete their
histories and the parts of codes, too.
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from stages.run.command_line import run
from stages.run.errors import UserError, quoted
from stages.serving.ids import Kind
from stages.serving.store.store import open_store


def forget_users(
    store: Annotated[Path, typer.Option(help="Folder of the store.")],
    user: Annotated[list[str] | None, typer.Option(help="A user's id; may be given several times.")] = None,
    users: Annotated[Path | None, typer.Option(help="A Parquet file with a column user.")] = None,
) -> None:
    """Delete users from a store."""
    if (user is None) == (users is None):
        raise UserError("give either --user with an id, once or more, or --users with a Parquet file")
    with open_store(store, writable=True) as opened:
        ids = _read(users) if users else _parsed(user or [], opened.kind_of_ids)
        forgotten = opened.delete(ids)
        print(f"{store}: {forgotten:,} users deleted, {len(ids) - forgotten:,} were not there; {len(opened):,} users")


def _parsed(texts: list[str], kind: Kind) -> list[str] | list[int]:
    if kind == "text":
        return texts
    try:
        return [int(text) for text in texts]
    except ValueError as error:
        raise UserError(f"the ids of this store are integers, not {quoted(texts)}; give such") from error


def _read(path: Path) -> pa.Array:
    if not path.is_file():
        raise UserError(f"there is no {path}; give a Parquet file with a column user")
    try:
        return pq.read_table(path, columns=["user"])["user"].unique()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no Parquet file with a column user ({error})") from error


if __name__ == "__main__":
    run(forget_users)
