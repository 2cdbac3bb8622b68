"""Put codes into a store of users: a new one is built, one that is there gets them as an upsert.

python -m stages.commands.store_users --codes codes --store store
python -m stages.commands.store_users --codes codes-of-today --store store

The codes are those of `stages.commands.encode_users`, or of the stage encode: data/<dataset>/users/<row>/codes. An
upsert is one transaction: who reads meanwhile sees the store as it was, or as it is then, and a process that is killed
leaves it as it was. A new package needs a new store; the old one stays for a roll-back. Where most users have changed,
a new store is smaller, too. Memory: 16 bytes per user, and twice the id and the code; about 4 GB for 50 million users
of 20 bytes with integer ids.
"""

from pathlib import Path
from typing import Annotated

import typer

from stages.run.command_line import run
from stages.run.errors import UserError
from stages.run.files import whole_folder
from stages.serving.encoding.parts import read_codes
from stages.serving.store.store import DATA, open_store, write_store


def store_users(
    codes: Annotated[Path, typer.Option(help="Folder of the codes.")],
    store: Annotated[Path, typer.Option(help="Folder of the store: a new one, or one that is there.")],
) -> None:
    """Build a store of codes, or upsert them into one."""
    if store.exists() and not (store / DATA).exists() and (not store.is_dir() or any(store.iterdir())):
        raise UserError(f"{store} is there and is no store of users; give a store, or a path where there is nothing")
    users, package = read_codes(codes)
    if (store / DATA).exists():
        with open_store(store, writable=True) as opened:
            opened.upsert(*users, package)
            print(f"{store}: {len(users.users):,} users upserted; {len(opened):,} users")
        return
    with whole_folder(store, with_digests=False) as folder:
        write_store(folder, *users, package)
        # This leaves lock.mdb: readers are to take notice of writers from the start.
        open_store(folder, writable=True).close()
    print(f"{store}: {len(users.users):,} users, {(store / DATA).stat().st_size / 1e9:.3g} GB")


if __name__ == "__main__":
    run(store_users)
