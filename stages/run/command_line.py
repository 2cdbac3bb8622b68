"""The command line of all stages and commands."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from stages.run.errors import UserError

# Options only select entries of params.yaml; no option sets a value that changes a result.
Dataset = Annotated[str, typer.Option(help="A name under datasets in params.yaml.")]
Model = Annotated[str, typer.Option(help="A name under models in params.yaml.")]
Study = Annotated[str, typer.Option(help="A name under studies in params.yaml.")]


def run(stage: Callable[..., None]) -> None:
    """Run a stage's function as a command; errors that the user can fix end with one sentence and status 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(stage)
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")
    except FileNotFoundError as error:
        sys.exit(f"error: there is no {error.filename}; run the stages before this one, as dvc repro does")
    except OSError as error:
        # An operating-system error is a problem with the disk or with permissions, so this hides no bug.
        reason = os.strerror(error.errno) if error.errno else str(error)
        where = f" at {error.filename}" if error.filename else ""
        sys.exit(f"error: {reason}{where}; make room or give access, then run the stage again")
    except (MemoryError, RuntimeError) as error:
        # PyTorch raises RuntimeErrors: its own class for a GPU, a message for a CPU. Not all stages import PyTorch.
        if type(error).__name__ == "OutOfMemoryError":
            sys.exit("error: the GPU is out of memory; free some of it, or set device in params.yaml to cpu")
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            sys.exit("error: this machine is out of memory; free some, or lower batch_size and hidden in params.yaml")
        raise
