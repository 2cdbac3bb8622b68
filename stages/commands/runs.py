"""NDCG@100 of each test user in a run of the pipeline, from where DVC keeps it: on disk, its cache or a remote."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import SCMError, resolve_rev
from pydantic import TypeAdapter, ValidationError

from stages.reporting.results import NDCG
from stages.run import paths
from stages.run.digests import DIGESTS
from stages.run.errors import UserError, quoted

WORKSPACE = "the workspace"
REFERENCES = "references"
GROUPS = (REFERENCES, "models", "quantized", "items")
"""Groups of measurements, as in `stages.run.paths.evaluations`, that have a table for each row."""
PER_USER = "per_user.parquet"
TEST_USERS = ("split/test_fold_in.npz", "split/test_held_out.npz")
"""Where both are the same, so is the user of each number: shown the same items, with the same ones to predict."""


class Row(NamedTuple):
    """A row as it was measured."""

    has_seeds: bool
    """False of a reference; the seed of its one line says nothing."""
    ndcg: pd.DataFrame
    """float64 (n_seeds, n_users), NDCG@100; a line for each seed, a column for each test user, by number."""


class Run(NamedTuple):
    """A revision's results on one data set."""

    name: str
    test_users: list[str]
    """Digests of `TEST_USERS`."""
    rows: dict[str, Row]


def read_run(dataset: str, revision: str | None) -> Run:
    """Read the results of a revision, without checking it out.

    Parameters
    ----------
    revision : a branch, tag, commit or experiment of DVC; None for what is on disk

    Raises
    ------
    UserError
        where there is no such revision, or its results are missing or damaged.
    """
    name = WORKSPACE if revision is None else revision
    try:
        with Repo(rev=None if revision is None else _commit(revision)) as repo:
            return _Reader(repo, dataset, name, revision is None).read()
    except NotDvcRepoError as error:
        raise UserError(f"{name} is no project of DVC; compare revisions that have a dvc.yaml") from error
    except DvcException as error:
        raise UserError(f"DVC can't read {name}: {error}") from error


def _commit(revision: str) -> str:
    """The hash of the commit that a revision names; UserError where there is none."""
    with Repo() as repo:
        try:
            if revision:  # git takes no name for HEAD
                return str(repo.scm.resolve_commit(resolve_rev(repo.scm, revision)).hexsha)
        except (SCMError, AttributeError):  # the latter of a file or a folder, which has a hash, too
            pass
    raise UserError(
        f"{quoted(revision)} is no branch, tag, commit or experiment here; see git log --all and dvc exp list "
        "--all-commits, and bring it from elsewhere by git fetch or dvc exp pull"
    )


class _Reader:
    """Reads files of a revision, with errors that name it."""

    def __init__(self, repo: Repo, dataset: str, name: str, is_workspace: bool) -> None:
        self._repo = repo
        self._dataset = dataset
        self._name = name
        repro = f"run: dvc repro report@{dataset}"
        fetch = (
            "run dvc push where they are and dvc fetch --all-commits here (of an experiment dvc exp push and dvc exp "
            f"pull), or check it out and {repro}"
        )
        self._remedy = repro if is_workspace else fetch

    def read(self) -> Run:
        outputs = self._outputs()
        if not outputs:
            raise UserError(f"{self._name} has no results of {self._dataset}; {self._remedy}")
        split = self._digests(paths.split(self._dataset))
        if not split.keys() >= set(TEST_USERS):
            raise self._damaged(paths.split(self._dataset) / DIGESTS)
        rows = {
            file.parent.name: Row(output.name != REFERENCES, self._ndcg(output.parent / file, digest))
            for output in outputs
            for name, digest in self._digests(output).items()
            if (file := Path(name)).name == PER_USER
        }
        return Run(self._name, [split[file] for file in TEST_USERS], rows)

    def _outputs(self) -> list[Path]:
        """Outputs of the pipeline that hold measurements; a folder that dvc.yaml does not name belongs to no row."""
        groups = {paths.evaluations(self._dataset, group) for group in GROUPS}
        return [
            path
            for output in self._repo.index.outs
            if groups & {(path := Path(output.def_path)), path.parent} and (output.hash_info or output.exists)
        ]

    def _ndcg(self, path: Path, digest: str) -> pd.DataFrame:
        content = self._bytes(path)
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._damaged(path)
        try:
            table = pd.read_parquet(BytesIO(content), columns=["seed", "user", NDCG])
        except (ValueError, KeyError) as error:
            raise UserError(f"{path} of {self._name} has no {NDCG}, by which rows are compared") from error
        return table.set_index(["seed", "user"])[NDCG].unstack()  # noqa: PD010

    def _digests(self, folder: Path) -> dict[str, str]:
        """What the stage wrote of its files: path, from the folder's own name on → SHA-256."""
        path = folder / DIGESTS
        try:
            return TypeAdapter(dict[str, str]).validate_json(self._bytes(path))
        except ValidationError as error:
            raise self._damaged(path) from error

    def _bytes(self, path: Path) -> bytes:
        files = self._repo.dvcfs
        try:
            if files.exists(path.as_posix()):  # where a folder is missing as a whole, only this raises no error
                return bytes(files.read_bytes(path.as_posix()))
        except FileNotFoundError:
            pass
        raise UserError(
            f"the results of {self._name} ({path}) are not on disk, in DVC's cache or on a remote; {self._remedy}"
        )

    def _damaged(self, path: Path) -> UserError:
        return UserError(
            f"{path} of {self._name} is not as its stage wrote it; remove it, in DVC's cache if it is not on disk, "
            f"then {self._remedy}"
        )
