"""Bring a data set's archive here and check it: from this machine, or from the first address that has it.

python -m stages.download --dataset ml-20m
"""

import shutil
from pathlib import Path

from stages import paths
from stages.command_line import Dataset, run
from stages.errors import UserError
from stages.interactions.archive import fetch, what_is_wrong
from stages.params import read_params


def download(dataset: Dataset) -> None:
    """Bring a data set's archive here, checked by its size and digest."""
    source = read_params().dataset(dataset).source
    target = paths.archive(dataset)
    if target.exists():
        if problem := what_is_wrong(target, source.size, source.sha256):
            raise UserError(f"{target} is {problem}; remove it, or put the right one in its place")
        print(f"{target} is already here and right")
        return
    if source.path is not None:
        if not Path(source.path).is_file():
            raise UserError(f"there is no file {source.path}; datasets.{dataset}.source.path in params.yaml names it")
        if problem := what_is_wrong(Path(source.path), source.size, source.sha256):
            raise UserError(f"{source.path} is {problem}; put the right file there, or correct params.yaml")
        with paths.whole_file(target) as temporary:
            shutil.copyfile(source.path, temporary)
        return
    assert source.urls is not None  # the schema: either a path or addresses
    with paths.whole_file(target) as temporary:
        try:
            url = fetch(source.urls, temporary, source.size, source.sha256)
        except UserError as error:
            raise UserError(f"{error}\nGet the file by hand, put it at {target} and run this again") from None
    print(f"{target} came from {url}")


if __name__ == "__main__":
    run(download)
