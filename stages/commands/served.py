"""What commands that serve users read: the package and store of the last run, or those that were copied out of it."""

from pathlib import Path
from typing import Annotated

import typer

from stages.run import paths
from stages.run.errors import UserError
from stages.serving.package.files import load_exported, load_package
from stages.serving.package.package import Package

PackageFolder = Annotated[Path | None, typer.Option(help="A copy of a package, in place of the last run's.")]
StoreFolder = Annotated[Path | None, typer.Option(help="A copy of a store, in place of the last run's.")]


def package_of(dataset: str, row: str, copy: Path | None) -> Package:
    """The package of a row: the last run's, or the copy; UserError where that is of another row."""
    if copy is None:
        return load_exported(paths.package(dataset, row))
    package = load_package(copy)
    if package.row != row:
        raise UserError(f"{copy} is a package of {package.row}, not of {row}; give the one or name the other")
    return package


def store_of(dataset: str, row: str, copy: Path | None) -> Path:
    """Folder of the store of a row: the last run's, or the copy."""
    return copy or paths.users(dataset, row) / "store"
