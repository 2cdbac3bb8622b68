r"""Encode users of one's own with a package: Parquet of histories in, Parquet parts of codes out.

python -m stages.commands.encode_users --dataset ml-latest-small --row rq-vae-200-20b \
    --histories today.parquet --out codes

Histories are a file, or a folder of files, with columns `user` and `items` (a list per user), or `user` and `item` (a
row per pair, all of a user one after the other). Killed and run again, it goes on behind the parts that are finished.
"""

from pathlib import Path
from typing import Annotated

import typer

from stages.commands.progress import said
from stages.commands.served import PackageFolder, package_of
from stages.config.reader import read_params
from stages.run.command_line import Dataset, Row, run
from stages.serving.encoding.resumable import encode_histories


def encode_users(
    dataset: Dataset,
    row: Row,
    histories: Annotated[Path, typer.Option(help="A Parquet file of histories, or a folder of such files.")],
    out: Annotated[Path, typer.Option(help="Folder for the codes; older codes in it are replaced.")],
    package: PackageFolder = None,
) -> None:
    """Encode the users of Parquet histories."""
    parts = encode_histories(histories, package_of(dataset, row, package), out, read_params().scale)
    n_users, n_popular = said(parts)
    print(f"{out}: {n_users:,} users; {n_popular:,} have no item that the package knows, and get the popularity list")


if __name__ == "__main__":
    run(encode_users)
