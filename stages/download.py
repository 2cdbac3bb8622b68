"""Get a data set's ratings: from a local path, from the first address that serves them, or synthetic.

python -m stages.download --dataset ml-20m
"""

import filecmp
import shutil
from pathlib import Path

from stages.config.dataset import FileSource, SyntheticLogSource, SyntheticSource, WebSource
from stages.config.reader import read_params
from stages.interactions.sources.archive import fetch, sha256_of, what_is_wrong
from stages.interactions.sources.made_up_log import write_made_up_log
from stages.interactions.sources.synthetic import write_synthetic
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.facts import recorded
from stages.run.files import files, whole_file, whole_folder


def download(dataset: Dataset) -> None:
    """Get a data set's ratings, and verify size and digest if params.yaml gives them."""
    source = read_params().dataset(dataset).source
    target = paths.raw(dataset, source.name)
    with recorded(dataset, "download") as record:
        match source:
            case FileSource():
                _copy(source, target)
            case WebSource():
                _download(source, target, paths.partial(dataset, source.name))
            case SyntheticSource():
                with whole_file(target) as temporary:
                    write_synthetic(temporary, source.users, source.items, source.ratings, source.seed)
                print(f"{target}: {source.ratings:,} made-up ratings")
            case SyntheticLogSource():
                with whole_folder(target, with_digests=False) as folder:
                    write_made_up_log(folder, source.users, source.items, source.rows, source.seed)
                print(f"{target}: {source.rows:,} made-up rows")
        record["files"] = {
            str(file.relative_to(target.parent)): {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
            for file in files(target)
        }


def _copy(source: FileSource, target: Path) -> None:
    origin = Path(source.path).expanduser()
    if not origin.exists():
        raise UserError(f"there is no {origin}, which a source in params.yaml names; put it there or correct the path")
    if not origin.is_dir() and not origin.is_file():
        raise UserError(f"{origin} is neither a file nor a folder; name one under source in params.yaml")
    if origin.is_dir():
        if origin.resolve() in target.resolve().parents:
            raise UserError(
                f"{origin} is where the copy would be put; keep the originals elsewhere, and name that folder"
            )
        if source.sha256 is not None:
            raise UserError(f"{origin} is a folder; leave size and sha256 out in params.yaml, they are of a file")
        parts = files(origin)
        if not parts:
            raise UserError(f"{origin} is an empty folder; put the parts there")
        with whole_folder(target, with_digests=False) as folder:
            for part in parts:
                copy = folder / part.relative_to(origin)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(part, copy)
        print(f"{target}: {len(parts)} parts from {origin}")
        return
    if source.size is not None and source.sha256 is not None:
        problem = what_is_wrong(origin, source.size, source.sha256)
        if problem:
            raise UserError(f"{origin} is {problem}; put the right file there, or correct params.yaml")
    if target.is_file() and filecmp.cmp(origin, target, shallow=False):
        print(f"{target} is already here, the same as {origin}")
        return
    with whole_file(target) as temporary:
        shutil.copyfile(origin, temporary)
    print(f"{target} came from {origin}")


def _download(source: WebSource, target: Path, partial: Path) -> None:
    if target.exists():
        if problem := what_is_wrong(target, source.size, source.sha256):
            raise UserError(f"{target} is {problem}; remove it, or put the right one in its place")
        print(f"{target} is already here and right")
        return
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        url = fetch(source.urls, partial, source.size, source.sha256)
    except UserError as error:
        raise UserError(f"{error}\nGet the file by hand, put it at {target} and run this again") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(target)
    print(f"{target} came from {url}")


if __name__ == "__main__":
    run(download)
