"""What becomes of a command that meets a fault; which outcomes are right, and their counts in a table."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from tests.faults.processes import Ended
from tests.faults.workplace import Workplace

LONGEST = 1500  # characters of a clear sentence; a wrong params.yaml may have several, one a line


class Outcome(StrEnum):
    """Of a case."""

    SENTENCE = "clear sentence"
    """Status 1 and "error: …", short, and nothing is lost."""
    HARMLESS = "harmless"
    """Status 0 and the bytes of an undisturbed run, now or after running it again."""
    TRACEBACK = "traceback"
    VAGUE = "vague"
    """Status 1, but no sentence, a long one, or one that leaves out or says what it should not."""
    WRONG = "silently wrong"
    """Status 0 and other bytes, or what must not happen has happened."""
    HARMED = "harmed"
    """An output is lost or half-written, although the command failed."""
    STUCK = "stuck"
    """The next run fails where it should go on."""
    LEFTOVERS = "leftovers"
    SIGNAL = "signal"
    HANG = "hang"


RIGHT = (Outcome.SENTENCE, Outcome.HARMLESS)


class Found(NamedTuple):
    """An outcome, and what shows it."""

    outcome: Outcome
    shown: str = ""


class Case(NamedTuple):
    """A fault that a command meets."""

    kind: str
    """Row of the table."""
    what: str
    """Command, file, position: enough to do it again."""
    judge: Callable[[Workplace, Path], Found]
    """Called with a copy to be harmed."""


def judged(ended: Ended, must: str = "", must_not: str = r"\0") -> Found | None:
    """What is known from the end of a process alone; None for status 0.

    Parameters
    ----------
    must, must_not : patterns that a sentence has to hold, or may not
    """
    if ended.status is None:
        return Found(Outcome.HANG, ended.said[-300:])
    if ended.status < 0:
        return Found(Outcome.SIGNAL, f"{ended.status} {ended.said[-300:]}")
    if "Traceback (most recent call last)" in ended.said:
        return Found(Outcome.TRACEBACK, ended.said.strip().splitlines()[-1])
    if ended.status == 0:
        return None
    _, error, sentence = f"\n{ended.said}".rpartition("\nerror: ")
    usage = ended.status == 2 and "Usage: " in ended.said
    clear = usage or (error and len(sentence) < LONGEST and re.search(must, sentence))
    if clear and not re.search(must_not, sentence):
        return Found(Outcome.SENTENCE, sentence.strip())
    return Found(Outcome.VAGUE, f"status {ended.status}: {ended.said[-600:]}")


def run_all(workplace: Workplace, cases: Iterable[Case]) -> Iterable[tuple[Case, Found]]:
    def of(case: Case) -> tuple[Case, Found]:
        with workplace.copy() as folder:
            return case, case.judge(workplace, folder)

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(of, cases)


def table(found: Iterable[tuple[Case, Found]]) -> str:
    counts = Counter((case.kind, outcome) for case, (outcome, _) in found)
    kinds = dict.fromkeys(kind for kind, _ in counts)
    lines = [[kind, *(counts[kind, outcome] or "" for outcome in Outcome)] for kind in kinds]
    sums = [sum(counts[kind, outcome] for kind in kinds) for outcome in Outcome]
    return tabulate([*lines, ["all", *sums]], headers=["fault", *Outcome], tablefmt="github")
