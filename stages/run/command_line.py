"""The command line of all stages and commands."""

import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated

import typer

from stages.config.reader import read_params
from stages.run import paths
from stages.run.errors import OUT_OF_MEMORY, UserError, printable, reason
from stages.run.files import remove_leftovers
from stages.run.watch import described, watched

# Options only select entries of params.yaml; no option sets a value that changes a result.
Dataset = Annotated[str, typer.Option(help="A name under datasets in params.yaml.")]
Model = Annotated[str, typer.Option(help="A name under models in params.yaml.")]
Study = Annotated[str, typer.Option(help="A name under studies in params.yaml.")]
Row = Annotated[str, typer.Option(help="A row under serving in params.yaml.")]

OF_PARAMS = ["dataset", "model", "study", "row"]


def run(stage: Callable[..., None]) -> None:
    """Run a stage's function as a command; errors that the user can fix end with one sentence and status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no dash shows its number
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(_checked(stage))
    try:
        app()
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        said = _in_words(error)
        if said is None:
            raise
        sys.exit(printable(f"error: {said}"))


def _checked(stage: Callable[..., None]) -> Callable[..., None]:
    """The same function, for names that params.yaml has; a stage of dvc.yaml may not change what it depends on."""

    @wraps(stage)
    def checked(**options: object) -> None:
        names = {option: str(options[option]) for option in OF_PARAMS if option in options}
        if names:
            read_params().check_names(names)
        name = stage.__name__.replace("_", "-")
        in_pipeline = described(name)
        for folder in (paths.DATA / names["dataset"], paths.report(names["dataset"])) if "dataset" in names else ():
            remove_leftovers(folder)
        if in_pipeline is None:
            stage(**options)
            return
        with watched(name, in_pipeline, names):
            stage(**options)

    return checked


def _in_words(error: BaseException) -> str | None:
    """What happened and what to do; None of a bug, which needs its traceback."""
    if isinstance(error, UserError):
        return str(error)
    # An operating-system error is a problem with the disk or with permissions, so this hides no bug. Most errors
    # of writing are UserErrors by now.
    if isinstance(error, FileNotFoundError):
        return f"there is no {error.filename}; run the stages before this one, as dvc repro does"
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str) else None
        if named and os.path.lexists(named) and not os.access(named, os.R_OK):
            return f"cannot read {named}: {reason(error)}; give access to it, then run this again"
        where = f" at {named}" if named else ""
        return f"{reason(error)}{where}; make room or give access, then run this again"
    # PyTorch raises RuntimeErrors: its own class for a GPU, a message for a CPU. Not all stages import PyTorch.
    if type(error).__name__ == "OutOfMemoryError":
        return "the GPU is out of memory; free some of it, or set device in params.yaml to cpu"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return OUT_OF_MEMORY
    return None
