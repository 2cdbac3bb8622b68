"""How long serving takes: what is measured by hand, and kept beside the report."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from stages.config.strict import Strict
from stages.run.errors import UserError

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(ge=0, le=1)]


class WayTimes(Strict):
    """A row, ranked by one way of scoring."""

    row: str
    way: str
    n_items: Count
    made_up: bool
    """Whether most of the items were drawn, to have as many."""
    memory_bytes: Annotated[int, Field(ge=0)]
    """What is kept loaded, the items' vectors included."""
    users_per_second: Positive
    """In batches."""
    p50: Positive
    """µs of one query."""
    p99: Positive
    overlap: Part
    """Share of the exact top items that are found."""
    ndcg: Part | None
    """NDCG@100 of the test users, through the codes of the store; None of items that were made up."""


class UserTimes(Strict):
    """A row's users, encoded and looked up."""

    row: str
    n_users: Count
    """In the store."""
    encode: Positive
    """µs per user, many at once."""
    encode_one: Positive
    """µs of one user alone, the median."""
    look_up_p50: Positive
    """µs of one user."""
    look_up_p99: Positive
    looked_up_per_second: Positive
    """Users, in batches."""


class Machine(Strict):
    """What was measured, on what."""

    date: str
    revision: str
    cpu: str
    cores: Count
    threads: Count
    python: str
    packages: dict[str, str]


class ServingTimes(Strict):
    """All that was measured at once."""

    machine: Machine
    ways: list[WayTimes]
    users: list[UserTimes]


def read_times(path: Path, command: str) -> ServingTimes:
    """What serving.json holds.

    Parameters
    ----------
    command : that writes it, for error messages

    Raises
    ------
    UserError
        where it is missing, or holds something else.
    """
    if not path.exists():
        raise UserError(f"there is no {path}, so nothing is known of times; run: {command}")
    try:
        return ServingTimes.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(f"{path} does not hold what it should; run again: {command}") from error
