"""What commands that serve users read: the package of the last run, or one that was copied out of it."""

from pathlib import Path
from typing import Annotated

import typer

from stages.config.reader import read_params
from stages.run import paths
from stages.run.errors import UserError
from stages.serving.package.files import load_exported, load_package
from stages.serving.package.manifest import MANIFEST, parse_manifest
from stages.serving.package.package import Package

PackageFolder = Annotated[Path | None, typer.Option(help="A copy of a package, in place of the last run's.")]


def package_of(dataset: str, row: str, copy: Path | None) -> Package:
    """The package of a row: the last run's, or the copy.

    Raises
    ------
    UserError
        where the last run's is of another seed than params.yaml says now, or the copy of another row; or as in
        `load_package`.
    """
    if copy is None:
        folder, seed = paths.package(dataset, row), read_params().serving.seed
        package = load_exported(folder)
        exported = parse_manifest((folder / MANIFEST).read_bytes(), folder).seed
        if exported != seed:
            raise UserError(
                f"{folder} is of seed {exported}, and serving.seed in params.yaml is {seed}; run dvc repro, or set "
                "that back"
            )
        return package
    package = load_package(copy)
    if package.row != row:
        raise UserError(f"{copy} is a package of {package.row}, not of {row}; give the one or name the other")
    return package
