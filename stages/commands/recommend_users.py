r"""Recommend to users of one's own with a package: Parquet of histories in, Parquet parts of lists out.

python -m stages.commands.recommend_users --dataset ml-latest-small --row rq-vae-200-20b \
    --histories today.parquet --top 100 --out lists

Histories are as those of `encode_users`; nothing is stored. Killed and run again, it goes on with the parts that are
not there yet.
"""

from pathlib import Path
from typing import Annotated

import typer

from stages.commands.progress import said
from stages.commands.served import PackageFolder, package_of
from stages.config.reader import read_params
from stages.run.command_line import Dataset, Row, run
from stages.serving.listing import list_histories


def recommend_users(
    dataset: Dataset,
    row: Row,
    histories: Annotated[Path, typer.Option(help="A Parquet file of histories, or a folder of such files.")],
    out: Annotated[Path, typer.Option(help="Folder for the lists; older lists in it are replaced.")],
    top: Annotated[int, typer.Option(metavar="N", help="Items for each.")] = 100,
    package: PackageFolder = None,
) -> None:
    """List the best items of the users of Parquet histories."""
    params = read_params()
    loaded = package_of(dataset, row, package)
    n_users, n_popular = said(list_histories(histories, loaded, top, params.serving, out, params.scale))
    print(
        f"{out}: the best {top:,} items of {n_users:,} users; {n_popular:,} without a known item get the popular ones"
    )


if __name__ == "__main__":
    run(recommend_users)
