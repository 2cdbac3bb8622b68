"""README shows how two reports open, the first table of each and the list below it, and what advise answers.

python -m tests.decision_table    copies all from the committed reports
"""

import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

from tests.marks import between

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHOWN = ("gowalla", "ml-latest-small")  # data sets, in README's order
END = "<!-- end of decision table -->\n"
BEGIN_ANSWER, END_ANSWER = "<!-- answer: python -m tests.decision_table -->\n", "<!-- end of answer -->\n"


def report_of(dataset: str) -> Path:
    """Its report."""
    return ROOT / f"reports/{dataset}/report.md"


def beginning(dataset: str) -> str:
    """The marker before the table of a data set."""
    return f"<!-- decision table of {dataset}: python -m tests.decision_table -->\n"


def opening(report: str) -> str:
    """The first table of a report, with the list below it if there is one."""
    lines = report[report.index("\n|") + 1 :].splitlines()
    return "\n".join(takewhile(lambda line: not line or line.startswith(("| ", "|:", "- ")), lines)).strip() + "\n"


def answer(readme: str) -> str:
    """What README's command of advise prints of the row that it chooses, quoted, without the times of a run."""
    (arguments,) = re.findall(r"^python -m (stages\.commands\.advise .*)$", readme, flags=re.MULTILINE)
    command = [sys.executable, "-m", *shlex.split(arguments)]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = takewhile(bool, re.sub("; .* as the run measured", "", printed).splitlines())
    return "\n>\n".join(f"> {line}" for line in lines) + "\n"


def updated(readme: str) -> str:
    """README with how each report opens between its markers."""
    for dataset in SHOWN:
        readme = between(readme, beginning(dataset), END, opening(report_of(dataset).read_text()))
    return readme


def answered(readme: str) -> str:
    """README with what advise answers between its markers."""
    return between(readme, BEGIN_ANSWER, END_ANSWER, answer(readme))


if __name__ == "__main__":
    README.write_text(answered(updated(README.read_text())))
